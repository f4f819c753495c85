package httpapi

import (
	"errors"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/penstock-dev/penstock/shared/fault"
)

// code is what a problem calls itself.
type code = fault.Code

// Codes that only HTTP has.
const (
	codeBadRequest     = fault.BadRequest
	codeRequestTimeout = code("request_timeout")
	codeHeadTooLarge   = code("head_too_large")
	codeClientGone     = code("client_gone") // in audit lines only
)

// meaning is the one table from a code to a status and a title.
func meaning(c code) (status int, title string) {
	switch c {
	case fault.BadRequest:
		return 400, "The request is malformed"
	case fault.Unauthenticated:
		return 401, "Who are you?"
	case fault.Forbidden:
		return 403, "You may not do this"
	case fault.TenantDisabled:
		return 403, "The tenant is disabled"
	case fault.ScopeMissing:
		return 403, "The token lacks a scope"
	case fault.IPNotAllowed:
		return 403, "The tenant may not call from this address"
	case fault.NotFound:
		return 404, "Not found"
	case fault.ModelNotFound:
		return 404, "There is no such model"
	case fault.MethodNotAllowed:
		return 405, "The route has other methods"
	case codeRequestTimeout:
		return 408, "The request did not arrive in time"
	case fault.Conflict:
		return 409, "The state does not allow this"
	case fault.Gone:
		return 410, "It was here, and is gone"
	case fault.PayloadTooLarge:
		return 413, "The body is too large"
	case fault.UnsupportedMediaType:
		return 415, "The content type is not supported"
	case fault.InvalidInput:
		return 422, "The input is not valid"
	case fault.IdempotencyMismatch:
		return 422, "The idempotency key was used with another body"
	case fault.RateLimited:
		return 429, "Too many requests"
	case fault.QuotaExceeded:
		return 429, "The daily quota is used up"
	case fault.TooManyInFlight:
		return 429, "Too many jobs in flight"
	case fault.QueueFull:
		return 429, "The queue is full"
	case codeHeadTooLarge:
		return 431, "The head of the request is too large"
	case fault.NoWorkers:
		return 503, "No worker serves the model"
	case fault.Overloaded:
		return 503, "The service is overloaded"
	case fault.DeadlineExceeded:
		return 504, "The answer did not come in time"
	case fault.AttemptsExhausted:
		return 500, "The job failed in each of its attempts"
	case fault.Internal:
	}
	return 500, "Something went wrong on our side"
}

// appendProblem renders a fault as RFC 9457 asks, with our members.
func appendProblem(b []byte, f *fault.Error, requestID string) []byte {
	status, title := meaning(f.Code)
	b = append(b, `{"type":"urn:penstock:problem:`...)
	b = append(b, f.Code...)
	b = append(b, `","title":`...)
	b = appendString(b, title)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, `,"code":`...)
	b = appendString(b, string(f.Code))
	b = append(b, `,"detail":`...)
	b = appendString(b, f.Detail)
	if f.Field != "" {
		b = append(b, `,"field":`...)
		b = appendString(b, f.Field)
	}
	b = append(b, `,"request_id":`...)
	b = appendString(b, requestID)
	return append(b, '}')
}

// appendString quotes s as JSON; bytes that are not UTF-8 become replacement characters.
func appendString(b []byte, s string) []byte {
	out, err := jsontext.AppendQuote(b, s)
	if err != nil && len(out) <= len(b) {
		return append(b, `""`...)
	}
	return out
}

// writeProblem makes the response a problem and gives its status.
func writeProblem(rc *fasthttp.RequestCtx, f *fault.Error, requestID string) int {
	status, _ := meaning(f.Code)
	h := &rc.Response.Header
	rc.Response.SetStatusCode(status)
	rc.Response.SetBodyRaw(appendProblem(make([]byte, 0, 384), f, requestID))
	h.SetContentType("application/problem+json")
	h.Set(fiber.HeaderCacheControl, "no-store")
	h.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	h.Set(fiber.HeaderXRequestID, requestID)
	switch status {
	case fiber.StatusUnauthorized:
		challenge := `Bearer realm="penstock"`
		if f.Detail != noTokenDetail {
			challenge += `, error="invalid_token"`
		}
		h.Set(fiber.HeaderWWWAuthenticate, challenge)
	case fiber.StatusTooManyRequests, fiber.StatusServiceUnavailable:
		h.Set(fiber.HeaderRetryAfter, strconv.FormatInt(wholeSeconds(f.RetryAfter), 10))
	}
	return status
}

const noTokenDetail = "the request carries no bearer token"

// wholeSeconds rounds up to seconds, 1 at least.
func wholeSeconds(d time.Duration) int64 {
	return max(1, int64((d+time.Second-1)/time.Second))
}

// notReady is what /readyz says, with the operator's cause kept out of the answer.
func notReady(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if ok && f.Code == fault.Overloaded {
		return err
	}
	return fault.Wrap(fault.Overloaded, err, "the gateway can't serve at the moment")
}
