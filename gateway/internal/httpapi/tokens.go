package httpapi

import (
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/gofiber/fiber/v2"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/rawjson"
)

const maxTokenBytes = 8 << 10

// issueToken is POST /v1/auth/token. Its body is optional.
func (k *call) issueToken() error {
	var r tenant.TokenRequest
	if k.hasBody() {
		body, err := k.jsonBody()
		if err != nil {
			return err
		}
		if r, err = tokenRequest(body); err != nil {
			return err
		}
	}
	pair, err := k.s.deps.Tokens.Issue(k.context(), k.who, r)
	if err != nil {
		return err
	}
	return k.value(fiber.StatusOK, pair)
}

func tokenRequest(body []byte) (r tenant.TokenRequest, err error) {
	if rawjson.Kind(body) != '{' {
		return r, fault.Invalid("", "the body must be a JSON object")
	}
	for name, v := range rawjson.Members(body) {
		switch string(name) {
		case "expires_in":
			f, perr := strconv.ParseFloat(string(v), 64)
			if rawjson.Kind(v) != 0 || perr != nil || f <= 0 || f > 1e9 {
				return r, fault.Invalid("expires_in", "must be a number of seconds, more than 0")
			}
			r.ExpiresIn = f
		case "scope":
			if r.Scope, err = text("scope", v, maxTokenBytes); err != nil {
				return r, err
			}
		default:
			return r, fault.Invalid(clip(string(name)), "is not a member of a token request")
		}
	}
	return r, nil
}

// refreshToken is POST /v1/auth/refresh.
func (k *call) refreshToken() error {
	token, err := k.oneString("refresh_token")
	if err != nil {
		return err
	}
	pair, err := k.s.deps.Tokens.Refresh(k.context(), token)
	if err != nil {
		return err
	}
	return k.value(fiber.StatusOK, pair)
}

// revokeToken is POST /v1/auth/revoke. What it answers does not tell whether the token was one.
func (k *call) revokeToken() error {
	token, err := k.oneString("token")
	if err != nil {
		return err
	}
	if err := k.s.deps.Tokens.Revoke(k.context(), k.who, token); err != nil {
		return err
	}
	k.rc.Response.SetStatusCode(fiber.StatusNoContent)
	return nil
}

// oneString reads a body that is an object of one string.
func (k *call) oneString(field string) (string, error) {
	body, err := k.jsonBody()
	if err != nil {
		return "", err
	}
	if rawjson.Kind(body) != '{' {
		return "", fault.Invalid("", "the body must be a JSON object")
	}
	s := ""
	for name, v := range rawjson.Members(body) {
		if string(name) != field {
			return "", fault.Invalid(clip(string(name)), "is not a member of this request")
		}
		if s, err = text(field, v, maxTokenBytes); err != nil {
			return "", err
		}
	}
	if s == "" {
		return "", fault.Invalid(field, "is needed")
	}
	return s, nil
}

// jwks is GET /.well-known/jwks.json.
func (k *call) jwks() error {
	k.rc.Response.Header.Set(fiber.HeaderCacheControl, "public, max-age=60")
	return k.json(fiber.StatusOK, k.s.deps.Tokens.JWKS())
}

// value answers with v as JSON.
func (k *call) value(status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return k.json(status, b)
}
