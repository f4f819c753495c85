package sleep

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/shared/fault"
)

// Bounds of a request.
const (
	MaxMS     = 3_600_000
	MaxTokens = 100_000
)

// input is what a request asks for.
type input struct {
	wait         time.Duration
	failAttempts int64
	echo         []byte // compact JSON; null when not given
	tokens       int
	crash        bool
}

// parse reads {"ms":N,"fail_attempts":K,"echo":any,"tokens":T,"crash":bool}, all of it optional. Errors are faults.
func parse(b []byte) (in input, err error) {
	in.echo = []byte("null")
	d := jsontext.NewDecoder(bytes.NewBuffer(b))
	if d.PeekKind() != '{' {
		if _, err := d.ReadValue(); err != nil {
			return in, syntax(err)
		}
		return in, fault.Invalid("", "the input must be an object")
	}
	if _, err := d.ReadToken(); err != nil {
		return in, syntax(err)
	}
	for d.PeekKind() == '"' {
		if err := in.member(d); err != nil {
			return in, err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return in, syntax(err)
	}
	if k := d.PeekKind(); k != 0 || d.InputOffset() != int64(len(bytes.TrimRight(b, " \t\r\n"))) {
		return in, fault.Invalid("", "the input has something after its object")
	}
	return in, nil
}

func (in *input) member(d *jsontext.Decoder) error {
	name, err := d.ReadToken()
	if err != nil {
		return syntax(err)
	}
	field := name.String()
	value, err := d.ReadValue()
	if err != nil {
		return syntax(err)
	}
	switch field {
	case "ms":
		ms, err := number(field, value, MaxMS)
		in.wait = time.Duration(ms * float64(time.Millisecond))
		return err
	case "fail_attempts":
		n, err := whole(field, value, 1<<31-1)
		in.failAttempts = n
		return err
	case "tokens":
		n, err := whole(field, value, MaxTokens)
		in.tokens = int(n)
		return err
	case "crash":
		if k := value.Kind(); k != 't' && k != 'f' {
			return fault.Invalid(field, "must be true or false")
		}
		in.crash = value.Kind() == 't'
		return nil
	case "echo":
		in.echo, err = jsontext.AppendFormat(nil, value)
		return err
	}
	return fault.Invalid(field, "the sleep model does not know it")
}

func number(field string, v jsontext.Value, most float64) (float64, error) {
	if v.Kind() == '0' {
		if f, err := strconv.ParseFloat(string(v), 64); err == nil && f >= 0 && f <= most {
			return f, nil
		}
	}
	return 0, fault.Invalid(field, "must be a number from 0 to %v", most)
}

func whole(field string, v jsontext.Value, most int64) (int64, error) {
	f, err := number(field, v, float64(most))
	if err != nil || f != float64(int64(f)) {
		return 0, fault.Invalid(field, "must be a whole number from 0 to %d", most)
	}
	return int64(f), nil
}

// syntax makes a fault of what the JSON decoder says.
func syntax(err error) error {
	var s *jsontext.SyntacticError
	if errors.As(err, &s) && errors.Is(err, jsontext.ErrDuplicateName) {
		return fault.Invalid(s.JSONPointer.LastToken(), "stands there twice")
	}
	return &fault.Error{Code: fault.InvalidInput, Detail: "the input is not JSON", Cause: fmt.Errorf("sleep: %w", err)}
}
