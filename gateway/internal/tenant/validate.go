package tenant

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
)

// Bounds of what a tenant may be given. They keep hostile or mistyped values out of Redis.
const (
	maxScopes   = 256
	maxScopeLen = 128
	maxCIDRs    = 256
	maxWindow   = 24 * time.Hour
	minWindow   = time.Second
	maxCount    = int64(1) << 50
	maxNameLen  = 200
)

// bounds is a tenant's texts, parsed once.
type bounds struct {
	window time.Duration
	zone   *time.Location
	allow  []netip.Prefix
}

// ValidID tells whether id may name a tenant: one to 64 letters, digits, underscores and dashes.
func ValidID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// ValidScope tells whether s is a scope: "*", or words of letters, digits, "_", "-", "." joined by colons, the last of
// which may be "*".
func ValidScope(s string) bool {
	if s == "*" {
		return true
	}
	if s == "" || len(s) > maxScopeLen {
		return false
	}
	s = strings.TrimSuffix(s, ":*")
	for i := range len(s) {
		c := s[i]
		word := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.'
		if !word && (c != ':' || i == 0 || i == len(s)-1 || s[i-1] == ':') {
			return false
		}
	}
	return s != ""
}

// Covers tells whether holding all of held allows wanted: by name, by "*", or by a prefix such as "model:*".
func Covers(held []string, wanted string) bool {
	for _, h := range held {
		if h == wanted || h == "*" {
			return true
		}
		if prefix, ok := strings.CutSuffix(h, "*"); ok && strings.HasSuffix(prefix, ":") && strings.HasPrefix(wanted, prefix) {
			return true
		}
	}
	return false
}

// Intersect is what two sets of scopes allow together: each scope of one that the other covers.
func Intersect(a, b []string) []string {
	out := make([]string, 0, min(len(a), len(b)))
	for _, s := range a {
		if Covers(b, s) && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, s := range b {
		if Covers(a, s) && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// Compile checks every field and keeps the parsed forms. Its error is an invalid_input fault at the first bad field.
// A tenant that didn't pass it has the zero limits of the text fields: no window, UTC, every address.
func (t *Tenant) Compile() error {
	if !ValidID(t.ID) {
		return fault.Invalid("id", "must be 1 to 64 letters, digits, underscores or dashes")
	}
	if err := t.checkNumbers(); err != nil {
		return err
	}
	if err := CheckScopes("scopes", t.Scopes); err != nil {
		return err
	}
	if len(t.Plan) > maxNameLen {
		return fault.Invalid("plan", "is longer than %d bytes", maxNameLen)
	}
	b := &bounds{zone: time.UTC}
	if t.Rate != nil {
		if t.Rate.Limit < 1 || t.Rate.Limit > maxCount {
			return fault.Invalid("rate.limit", "must be 1 or more")
		}
		w, err := time.ParseDuration(t.Rate.Window)
		if err != nil || w < minWindow || w > maxWindow || w%time.Second != 0 {
			return fault.Invalid("rate.window", `must be whole seconds from "1s" to "24h"`)
		}
		b.window = w
	}
	if t.TimeZone != "" {
		zone, err := time.LoadLocation(t.TimeZone)
		if err != nil || t.TimeZone == "Local" {
			return fault.Invalid("time_zone", `must be the name of a time zone, as "Europe/Berlin"`)
		}
		b.zone = zone
	}
	allow, err := parsePrefixes(t.IPAllow)
	if err != nil {
		return err
	}
	b.allow = allow
	t.bounds = b
	return nil
}

func (t *Tenant) checkNumbers() error {
	if t.Weight < 1 || t.Weight > 1000 {
		return fault.Invalid("weight", "must be from 1 to 1000")
	}
	for _, n := range []struct {
		field string
		value int64
	}{
		{"daily_quota", t.DailyQuota},
		{"max_in_flight", t.MaxInFlight},
		{"max_queued", t.MaxQueued},
		{"max_input_tokens", t.MaxInputTokens},
	} {
		if n.value < 0 || n.value > maxCount {
			return fault.Invalid(n.field, "must be 0 (no bound) or more")
		}
	}
	return nil
}

// CheckScopes checks the syntax and number of scopes; its fault names the field's path with the index.
func CheckScopes(field string, scopes []string) error {
	if len(scopes) > maxScopes {
		return fault.Invalid(field, "holds more than %d scopes", maxScopes)
	}
	for i, s := range scopes {
		if !ValidScope(s) {
			return fault.Invalid(index(field, i), `is no scope; scopes are words such as "ner", "model:chat-tiny" or "*"`)
		}
	}
	return nil
}

func parsePrefixes(texts []string) ([]netip.Prefix, error) {
	if len(texts) > maxCIDRs {
		return nil, fault.Invalid("ip_allow", "holds more than %d prefixes", maxCIDRs)
	}
	out := make([]netip.Prefix, 0, len(texts))
	for i, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			addr, aerr := netip.ParseAddr(text)
			if aerr != nil || addr.Zone() != "" {
				return nil, fault.Invalid(index("ip_allow", i), `is no address or prefix such as "192.0.2.0/24"`)
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		if p.Addr().Is4In6() {
			return nil, fault.Invalid(index("ip_allow", i), "write the IPv4 form")
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// Window is the length of the rate's window; 0 means no rate.
func (t *Tenant) Window() time.Duration {
	if t.bounds == nil || t.Rate == nil {
		return 0
	}
	return t.bounds.window
}

// Zone is where the tenant's day begins.
func (t *Tenant) Zone() *time.Location {
	if t.bounds == nil {
		return time.UTC
	}
	return t.bounds.zone
}

// AllowsIP tells whether a call from ip may be the tenant's. An IPv4 address in IPv6 form counts as the former. With
// an allow-list the zero Addr is refused.
func (t *Tenant) AllowsIP(ip netip.Addr) bool {
	if len(t.IPAllow) == 0 {
		return true
	}
	if t.bounds == nil {
		return false
	}
	ip = ip.Unmap().WithZone("")
	return slices.ContainsFunc(t.bounds.allow, func(p netip.Prefix) bool { return p.Contains(ip) })
}

func index(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }
