// Package sleep checks the input of the built-in sleep engine:
//
//	{"ms":N,"fail_attempts":K,"echo":any,"tokens":T,"crash":bool}
//
// Every member is optional, and any value may be a reference to a blob, which the worker puts in its place.
package sleep

import (
	"strconv"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/rawjson"
)

// Task is what every sleep asks of its model.
const Task = "sleep"

// Bounds of the members.
const (
	MaxMS           = 3_600_000
	MaxFailAttempts = 1_000
	MaxTokens       = 100_000
)

// Check proves the input and names its task. Its faults are invalid_input at a member's path, or bad_request when the
// text is not strict JSON.
func Check(input []byte) (task string, err error) {
	if err := rawjson.Check(input); err != nil {
		return "", err
	}
	input = rawjson.Trim(input)
	if rawjson.Kind(input) != '{' {
		return "", fault.Invalid("", "the input must be an object")
	}
	if job.IsRef(input) {
		return Task, nil
	}
	for name, v := range rawjson.Members(input) {
		if err := member(name, v); err != nil {
			return "", err
		}
	}
	return Task, nil
}

func member(name, v []byte) error {
	field := string(name)
	switch field {
	case "ms", "fail_attempts", "tokens", "crash", "echo":
	default:
		return fault.Invalid(rawjson.Clip(name), "is not a member of this input")
	}
	if field == "echo" || job.IsRef(v) {
		return nil
	}
	switch field {
	case "ms":
		return whole("ms", v, MaxMS)
	case "fail_attempts":
		return whole("fail_attempts", v, MaxFailAttempts)
	case "tokens":
		return whole("tokens", v, MaxTokens)
	}
	if k := rawjson.Kind(v); k != 't' && k != 'f' {
		return fault.Invalid("crash", "must be true or false")
	}
	return nil
}

func whole(field string, v []byte, limit int) error {
	n, err := strconv.Atoi(string(v))
	if rawjson.Kind(v) != 0 || err != nil || n < 0 || n > limit {
		return fault.Invalid(field, "must be a whole number from 0 to %d", limit)
	}
	return nil
}
