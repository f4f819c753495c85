package httpapi

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/rawjson"
)

// Bounds of a job's own members.
const (
	maxModel      = 128
	maxVersion    = 64
	maxAttempts   = 20
	maxTTL        = 24 * 3600.0
	maxTimeout    = 24 * 3600.0
	maxMetadata   = 16
	maxMetaKey    = 64
	maxMetaValue  = 1024
	maxMetaTotal  = 4 << 10
	needsANumber  = "must be a number of seconds, more than 0 and at most %g"
	needsAnObject = "must be an object"
)

// parseJob reads the body of POST /v1/jobs, which must be checked JSON. Input stays a slice of it.
func parseJob(body []byte) (job.Request, error) {
	var r job.Request
	if rawjson.Kind(body) != '{' {
		return r, fault.Invalid("", "the body must be a JSON object")
	}
	for name, v := range rawjson.Members(body) {
		if err := jobMember(&r, name, v); err != nil {
			return r, err
		}
	}
	switch {
	case r.Model == "":
		return r, fault.Invalid("model", "is needed")
	case r.Input == nil:
		return r, fault.Invalid("input", "is needed")
	}
	return r, nil
}

func jobMember(r *job.Request, name, v []byte) (err error) {
	kind := rawjson.Kind(v)
	switch string(name) {
	case "model":
		r.Model, err = modelName(v)
	case "version":
		if r.Version, err = text("version", v, maxVersion); err == nil && !validName(r.Version, maxVersion) {
			err = fault.Invalid("version", "is not the name of a version")
		}
	case "input":
		r.Input = v
	case "priority":
		var p string
		if p, err = text("priority", v, 32); err == nil && !job.Class(p).Valid() {
			err = fault.Invalid("priority", "must be interactive, standard or batch")
		}
		r.Class = job.Class(p)
	case "ttl":
		r.TTL, err = secondsOf("ttl", v, maxTTL)
	case "timeout":
		r.Timeout, err = secondsOf("timeout", v, maxTimeout)
	case "max_attempts":
		n, perr := strconv.Atoi(string(v))
		if kind != 0 || perr != nil || n < 1 || n > maxAttempts {
			err = fault.Invalid("max_attempts", "must be a whole number from 1 to %d", maxAttempts)
		}
		r.MaxAttempts = n
	case "metadata":
		r.Metadata, err = metadata(v)
	case "not_before":
		r.NotBefore, err = moment("not_before", v)
	case "webhook":
		r.Webhook, err = webhook(v)
	default:
		err = fault.Invalid(clip(string(name)), "is not a member of a job")
	}
	return err
}

func modelName(v []byte) (string, error) {
	s, err := text("model", v, maxModel)
	if err == nil && !validName(s, maxModel) {
		f := fault.New(fault.ModelNotFound, "there is no model of that name")
		f.Field = "model"
		return "", f
	}
	return s, err
}

// text reads a string of 1 to limit bytes.
func text(field string, v []byte, limit int) (string, error) {
	if rawjson.Kind(v) != '"' {
		return "", fault.Invalid(field, "must be a string")
	}
	s := rawjson.Unquote(v)
	if len(s) == 0 || len(s) > limit {
		return "", fault.Invalid(field, "must have 1 to %d bytes", limit)
	}
	return string(s), nil
}

func secondsOf(field string, v []byte, limit float64) (float64, error) {
	f, err := strconv.ParseFloat(string(v), 64)
	if rawjson.Kind(v) != 0 || err != nil || f <= 0 || f > limit {
		return 0, fault.Invalid(field, needsANumber, limit)
	}
	return f, nil
}

func moment(field string, v []byte) (time.Time, error) {
	s, err := text(field, v, 64)
	if err != nil {
		return time.Time{}, err
	}
	t, perr := time.Parse(time.RFC3339Nano, s)
	if perr != nil {
		return time.Time{}, fault.Invalid(field, "must be a time in the form of RFC 3339, such as 2026-11-22T18:00:00Z")
	}
	return t, nil
}

func metadata(v []byte) (map[string]string, error) {
	if rawjson.Kind(v) != '{' {
		return nil, fault.Invalid("metadata", needsAnObject)
	}
	m, total := map[string]string{}, 0
	for name, val := range rawjson.Members(v) {
		field := fault.Join("metadata", clip(string(name)))
		switch {
		case len(m) == maxMetadata:
			return nil, fault.Invalid("metadata", "has more than %d members", maxMetadata)
		case len(name) == 0 || len(name) > maxMetaKey:
			return nil, fault.Invalid(field, "the name must have 1 to %d bytes", maxMetaKey)
		case rawjson.Kind(val) != '"':
			return nil, fault.Invalid(field, "must be a string")
		}
		s := rawjson.Unquote(val)
		if len(s) > maxMetaValue {
			return nil, fault.Invalid(field, "is longer than %d bytes", maxMetaValue)
		}
		if total += len(name) + len(s); total > maxMetaTotal {
			return nil, fault.Invalid("metadata", "is larger than %d bytes", maxMetaTotal)
		}
		m[string(name)] = string(s)
	}
	return m, nil
}

// validName takes the names of models and versions: letters, digits, and . _ - inside.
func validName(s string, limit int) bool {
	if s == "" || len(s) > limit || !utf8.ValidString(s) || !isAlnum(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
