package httpapi

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/penstock-dev/penstock/shared/fault"
)

// badParam is the fault of a query parameter, a header or a path's part that is malformed.
func badParam(name, format string, args ...any) *fault.Error {
	f := fault.New(fault.BadRequest, format, args...)
	f.Field = name
	return f
}

// checkQuery refuses parameters that the route does not know, and those given twice.
func (k *call) checkQuery(known []string) error {
	if len(k.rc.URI().QueryString()) == 0 {
		return nil
	}
	var seen uint64
	for key := range k.rc.QueryArgs().All() {
		i := 0
		for i < len(known) && known[i] != string(key) {
			i++
		}
		if i == len(known) {
			return badParam(clip(string(key)), "the route has no such parameter")
		}
		if seen&(1<<i) != 0 {
			return badParam(known[i], "the parameter is there twice")
		}
		seen |= 1 << i
	}
	return nil
}

// param copies a query parameter.
func (k *call) param(name string) string { return string(k.rc.QueryArgs().Peek(name)) }

// clip bounds a name that the caller made up, and drops what is no text, so that it can be told back.
func clip(s string) string {
	if len(s) > 64 {
		s = s[:64]
	}
	return strings.ToValidUTF8(s, "�")
}

// seconds reads a wait: a number of seconds, fractions allowed, cut at the longest that is allowed.
func (k *call) seconds(field, v string) (time.Duration, error) {
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || f < 0 || strings.ContainsAny(v, "xXpP_") {
		return 0, badParam(field, "wait must be a number of seconds, 0 or more")
	}
	limit := k.s.cfg.MaxWait
	if f >= limit.Seconds() {
		return limit, nil
	}
	return time.Duration(f * float64(time.Second)), nil
}

// number reads an integer parameter within bounds, or its default when it is not there.
func (k *call) number(name string, def, low, high int) (int, error) {
	v := k.param(name)
	if v == "" && !k.rc.QueryArgs().Has(name) {
		return def, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high || v[0] == '+' || v[0] == '-' {
		return 0, badParam(name, "must be a whole number from %d to %d", low, high)
	}
	return n, nil
}

// preference is what the Prefer fields ask for.
type preference struct {
	wait    time.Duration
	hasWait bool
	async   bool   // respond-async was asked for
	text    string // the wait in seconds, as it was applied
}

// prefer reads wait=N and respond-async; preferences it does not know are skipped, as HTTP asks.
func (k *call) prefer() (preference, error) {
	var p preference
	h := &k.rc.Request.Header
	if len(h.Peek("Prefer")) == 0 {
		return p, nil
	}
	for _, field := range h.PeekAll("Prefer") {
		for item := range strings.SplitSeq(string(field), ",") {
			item, _, _ = strings.Cut(item, ";")
			name, value, _ := strings.Cut(item, "=")
			if strings.EqualFold(strings.TrimSpace(name), "respond-async") {
				p.async = true
			}
			if !strings.EqualFold(strings.TrimSpace(name), "wait") || p.hasWait {
				continue
			}
			value = strings.Trim(strings.TrimSpace(value), `"`)
			wait, err := k.seconds("Prefer", value)
			if err != nil {
				return p, err
			}
			p.wait, p.hasWait, p.text = wait, true, strconv.FormatFloat(wait.Seconds(), 'f', -1, 64)
		}
	}
	return p, nil
}

// wantsEvents tells whether the caller accepts an event stream by name.
func (k *call) wantsEvents() bool {
	v := k.rc.Request.Header.Peek(fiber.HeaderAccept)
	if len(v) < len("text/event-stream") {
		return false
	}
	for item := range strings.SplitSeq(strings.ToLower(string(v)), ",") {
		media, params, _ := strings.Cut(item, ";")
		if strings.TrimSpace(media) == "text/event-stream" {
			return !strings.Contains(strings.ReplaceAll(params, " ", "")+";", "q=0;")
		}
	}
	return false
}

// header copies a header field.
func (k *call) header(name string) string { return string(k.rc.Request.Header.Peek(name)) }

// flag reads a header that is true or false.
func (k *call) flag(name string) (bool, error) {
	switch v := k.header(name); strings.ToLower(v) {
	case "":
		return false, nil
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, badParam(name, "must be true or false")
}
