// Package fault is the one error type that crosses package borders: a code for the caller, a sentence for the user,
// the path of the field at fault, and a cause for the operator. httpapi turns codes into HTTP statuses in one table;
// the worker turns them into outcomes in one switch. It imports nothing of ours.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Code is the machine-readable name of what went wrong, as clients see it in `code`.
type Code string

// The codes of the HTTP contract.
const (
	BadRequest           Code = "bad_request"
	InvalidInput         Code = "invalid_input"
	Unauthenticated      Code = "unauthenticated"
	Forbidden            Code = "forbidden"
	TenantDisabled       Code = "tenant_disabled"
	ScopeMissing         Code = "scope_missing"
	IPNotAllowed         Code = "ip_not_allowed"
	NotFound             Code = "not_found"
	MethodNotAllowed     Code = "method_not_allowed"
	ModelNotFound        Code = "model_not_found"
	Gone                 Code = "gone"
	Conflict             Code = "conflict"
	IdempotencyMismatch  Code = "idempotency_mismatch"
	PayloadTooLarge      Code = "payload_too_large"
	UnsupportedMediaType Code = "unsupported_media_type"
	RateLimited          Code = "rate_limited"
	QuotaExceeded        Code = "quota_exceeded"
	TooManyInFlight      Code = "too_many_in_flight"
	QueueFull            Code = "queue_full"
	NoWorkers            Code = "no_workers"
	Overloaded           Code = "overloaded"
	DeadlineExceeded     Code = "deadline_exceeded"
	AttemptsExhausted    Code = "attempts_exhausted"
	Internal             Code = "internal"
)

// Error carries one fault. The zero RetryAfter says nothing about when to come back.
type Error struct {
	Code       Code
	Detail     string        // a sentence for the user; never holds secrets, text or answers
	Field      string        // path of the field at fault, "schema.人物"; empty when none is
	RetryAfter time.Duration // when a 429 or 503 may be tried again
	Cause      error         // for the operator's log only
}

// Error joins code, field, sentence and cause for a log line.
func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Detail
	if e.Field != "" {
		s = string(e.Code) + ": " + e.Field + ": " + e.Detail
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap gives the cause, so that errors.Is sees through a fault.
func (e *Error) Unwrap() error { return e.Cause }

// New makes a fault from a code and a sentence.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Invalid makes an invalid_input fault at a field's path.
func Invalid(field, format string, args ...any) *Error {
	return &Error{Code: InvalidInput, Field: field, Detail: fmt.Sprintf(format, args...)}
}

// Wrap makes a fault from a code, a sentence and the operator's cause.
func Wrap(code Code, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...), Cause: cause}
}

// From finds the fault in err's chain; any other error becomes an internal one, its text kept for the operator only.
func From(err error) *Error {
	if f, ok := errors.AsType[*Error](err); ok {
		return f
	}
	return &Error{Code: Internal, Detail: "something went wrong on our side", Cause: err}
}

// CodeOf is From(err).Code, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return From(err).Code
}

// Under returns err with prefix put before its field's path, when it is a fault at a field.
func Under(prefix string, err error) error {
	f, ok := errors.AsType[*Error](err)
	if !ok || f.Code != InvalidInput {
		return err
	}
	c := *f
	c.Field = Join(prefix, f.Field)
	return &c
}

// Join joins two parts of a field's path.
func Join(parent, child string) string {
	switch {
	case parent == "":
		return child
	case child == "" || child[0] == '[':
		return parent + child
	}
	return parent + "." + child
}
