package webhook

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

const (
	maxURL     = 2048
	maxHost    = 253
	maxSecrets = 3
	fieldURL   = "webhook.url"
	fieldKey   = "webhook.secret"
	fieldTypes = "webhook.events"
)

// Check refuses a webhook that could never be delivered to, with the path of the member at fault. No name is resolved
// here: what it resolves to is looked at when the connection is made.
func (s *Service) Check(w *job.Webhook) error {
	if err := s.guard.checkURL(w.URL); err != nil {
		return err
	}
	if len(w.Secrets) == 0 {
		return fault.Invalid(fieldKey, "is needed: whsec_ and 24 to 64 bytes in base64")
	}
	if len(w.Secrets) > maxSecrets {
		return fault.Invalid(fieldKey, "has at most %d secrets", maxSecrets)
	}
	for i, secret := range w.Secrets {
		if _, err := secretKey(secret); err != nil {
			field := fieldKey
			if len(w.Secrets) > 1 {
				field += "[" + strconv.Itoa(i) + "]"
			}
			return fault.Invalid(field, "%s", err.Error())
		}
	}
	return checkEvents(w.Events)
}

func checkEvents(events []string) error {
	if len(events) == 0 {
		return fault.Invalid(fieldTypes, "names at least one event")
	}
	for i, e := range events {
		field := fieldTypes + "[" + strconv.Itoa(i) + "]"
		if !slices.Contains(job.HookEvents(), e) {
			return fault.Invalid(field, "is one of %s", strings.Join(job.HookEvents(), ", "))
		}
		if slices.Contains(events[:i], e) {
			return fault.Invalid(field, "is there twice")
		}
	}
	return nil
}

func (g *guard) checkURL(text string) error {
	if len(text) == 0 || len(text) > maxURL {
		return fault.Invalid(fieldURL, "must have 1 to %d bytes", maxURL)
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Host == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return fault.Invalid(fieldURL, "must be an https URL, in ASCII")
	}
	switch {
	case u.User != nil:
		return fault.Invalid(fieldURL, "must not hold a user or a password")
	case strings.Contains(text, "#"):
		return fault.Invalid(fieldURL, "must not have a fragment")
	case u.Scheme != "https" && (u.Scheme != "http" || !g.loopback):
		return fault.Invalid(fieldURL, "must be an https URL")
	}
	if err := checkPort(u); err != nil {
		return err
	}
	return g.checkHost(u.Hostname(), u.Scheme == "http")
}

// checkPort takes HTTPS's own port and those that are nobody's: a webhook is no way to speak to a mail server.
func checkPort(u *url.URL) error {
	text := u.Port()
	if text == "" && !strings.HasSuffix(u.Host, ":") {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n > 65535 || n < 1024 && n != 443 && (n != 80 || u.Scheme != "http") {
		return fault.Invalid(fieldURL, "the port is 443, or 1024 to 65535")
	}
	return nil
}

// checkHost refuses an address that no connection would be made to, and what is no name. plain asks for plain HTTP.
func (g *guard) checkHost(host string, plain bool) error {
	if a, err := netip.ParseAddr(host); err == nil {
		switch {
		case g.permits(a, plain):
			return nil
		case plain:
			return fault.Invalid(fieldURL, "plain HTTP may reach this machine only")
		}
		return fault.Invalid(fieldURL, "the address is private or reserved; webhooks reach public addresses")
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	last := name[strings.LastIndexByte(name, '.')+1:]
	local := last == "localhost"
	switch {
	case name == "" || len(name) > maxHost || strings.ContainsFunc(name, notInName) || strings.Contains(name, ".."):
		return fault.Invalid(fieldURL, "the host is no name")
	case last[0] >= '0' && last[0] <= '9':
		return fault.Invalid(fieldURL, "the host is neither a name nor an address in its usual form")
	case local && !g.loopback:
		return fault.Invalid(fieldURL, "the host is this machine; webhooks reach public addresses")
	case plain && !local:
		return fault.Invalid(fieldURL, "must be an https URL; plain HTTP may reach this machine only")
	}
	return nil
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
}
