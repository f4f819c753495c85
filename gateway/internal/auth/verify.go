package auth

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
)

const (
	leeway       = 5 * time.Second // for nbf and iat, which another's clock wrote; exp is taken at its word
	minSecret    = 32              // bytes of an HS256 secret (RFC 7518, 3.2)
	minRSABits   = 2048
	maxKid       = 256
	maxScopes    = 256 // of a token; more count for nothing
	maxSubject   = 256
	maxNumericAt = 253402300799 // the last second of the year 9999
)

// TrustedKey is a configured key that tokens of others may be signed with.
type TrustedKey struct {
	Alg      string // HS256, RS256 or ES256: the only one it may be used with
	KeyID    string // the kid of its tokens; empty takes tokens of its algorithm that name none, or an unknown one
	Secret   []byte // of HS256, 32 bytes or more
	Public   any    // *rsa.PublicKey or *ecdsa.PublicKey
	Issuer   string // what iss must be; empty takes any, and none
	Audience string // what aud must hold; empty takes any, and none
}

// verifier checks signatures and claims.
type verifier struct {
	keys  *Keyring
	own   *jwt.Validator
	byKid map[string]*trusted
	byAlg map[string][]*trusted // the keys without a kid
}

// trusted is one key with the one method that it may be used with.
type trusted struct {
	method jwt.SigningMethod
	key    any
	rules  *jwt.Validator
}

func newVerifier(cfg Config) (*verifier, error) {
	v := &verifier{keys: cfg.Keys, byKid: map[string]*trusted{}, byAlg: map[string][]*trusted{}}
	v.own = rules(cfg.Now, cfg.Issuer, cfg.Audience)
	for i, k := range cfg.Trusted {
		t := &trusted{rules: rules(cfg.Now, k.Issuer, k.Audience)}
		if err := t.fit(k); err != nil {
			return nil, fmt.Errorf("trusted key %d (%s): %w", i+1, k.Alg, err)
		}
		if k.KeyID == "" {
			v.byAlg[k.Alg] = append(v.byAlg[k.Alg], t)
			continue
		}
		if v.byKid[k.KeyID] != nil {
			return nil, fmt.Errorf("trusted key %d (%s): another one has the same kid", i+1, k.Alg)
		}
		v.byKid[k.KeyID] = t
	}
	return v, nil
}

func rules(now func() time.Time, issuer, audience string) *jwt.Validator {
	o := []jwt.ParserOption{jwt.WithTimeFunc(now), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway)}
	if issuer != "" {
		o = append(o, jwt.WithIssuer(issuer))
	}
	if audience != "" {
		o = append(o, jwt.WithAudience(audience))
	}
	return jwt.NewValidator(o...)
}

// fit makes sure that the key is of its algorithm's type and strong enough.
func (t *trusted) fit(k TrustedKey) error {
	switch k.Alg {
	case "HS256":
		if len(k.Secret) < minSecret || k.Public != nil {
			return fmt.Errorf("needs a secret of %d bytes or more", minSecret)
		}
		t.method, t.key = jwt.SigningMethodHS256, k.Secret
	case "RS256":
		pub, ok := k.Public.(*rsa.PublicKey)
		if !ok || pub.N.BitLen() < minRSABits || k.Secret != nil {
			return fmt.Errorf("needs an RSA public key of %d bits or more", minRSABits)
		}
		t.method, t.key = jwt.SigningMethodRS256, pub
	case "ES256":
		pub, ok := k.Public.(*ecdsa.PublicKey)
		if !ok || pub.Curve.Params().BitSize != 256 || k.Secret != nil {
			return errors.New("needs a P-256 public key")
		}
		t.method, t.key = jwt.SigningMethodES256, pub
	default:
		return errors.New("is none of HS256, RS256 and ES256")
	}
	return nil
}

// header is what of a token's head counts. Others' members, jku, x5u and jwk among them, are not looked at.
type header struct {
	Alg  string         `json:"alg"`
	Kid  *string        `json:"kid"`
	Crit jsontext.Value `json:"crit"`
}

// token checks a JWT whole: its form, its signature by the one key and method that its kid names, its claims.
func (v *verifier) token(text string, now time.Time) (*claims, error) {
	head, rest, ok := strings.Cut(text, ".")
	body, sig, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || strings.Contains(sig, ".") {
		return nil, refuse("it is neither an API key nor a token")
	}
	var h header
	if err := decodePart(head, &h); err != nil {
		return nil, refuse("its head can't be read")
	}
	if h.Crit != nil {
		return nil, refuse("it asks for an extension that is not known here")
	}
	candidates := v.find(&h)
	if len(candidates) == 0 {
		return nil, refuse("it is signed with a key or an algorithm that is not trusted here")
	}
	rawSig, err := base64.RawURLEncoding.Strict().DecodeString(sig)
	if err != nil {
		return nil, refuse("its signature can't be read")
	}
	signed := text[:len(head)+1+len(body)]
	i := slices.IndexFunc(candidates, func(t *trusted) bool { return t.method.Verify(signed, rawSig, t.key) == nil })
	if i < 0 {
		return nil, refuse("its signature is wrong")
	}
	t := candidates[i]
	var c claims
	if err := decodePart(body, &c); err != nil {
		return nil, refuse("its claims can't be read")
	}
	if err := t.rules.Validate(&c); err != nil {
		return nil, fault.Wrap(fault.Unauthenticated, err, "%s: %s", badBearer, reason(err))
	}
	if !now.Before(c.expires()) {
		return nil, refuse("it has expired")
	}
	if !tenant.ValidID(c.TenantID) {
		return nil, refuse("it names no tenant")
	}
	return &c, nil
}

// find picks the keys that may have signed: the one that the kid names, or those that were configured without one. The
// token's alg must be the key's own; it never chooses how a key is used.
func (v *verifier) find(h *header) []*trusted {
	if h.Kid == nil {
		return v.byAlg[h.Alg]
	}
	if *h.Kid == "" || len(*h.Kid) > maxKid {
		return nil
	}
	if t := v.byKid[*h.Kid]; t != nil {
		if t.method.Alg() != h.Alg {
			return nil
		}
		return []*trusted{t}
	}
	switch h.Alg {
	case jwt.SigningMethodEdDSA.Alg():
		if v.keys == nil {
			return nil
		}
		if pub, ok := v.keys.public(*h.Kid); ok {
			return []*trusted{{method: jwt.SigningMethodEdDSA, key: pub, rules: v.own}}
		}
	case jwt.SigningMethodRS256.Alg(), jwt.SigningMethodES256.Alg():
		return v.byAlg[h.Alg] // identity providers name keys that a PEM file has no name for
	}
	return nil
}

func refuse(why string) error {
	return fault.New(fault.Unauthenticated, "%s: %s", badBearer, why)
}

// reason says in our words which claim was refused.
func reason(err error) string {
	text := err.Error()
	for _, r := range []struct{ sign, words string }{
		{jwt.ErrTokenExpired.Error(), "it has expired"},
		{jwt.ErrTokenNotValidYet.Error(), "it is not valid yet"},
		{jwt.ErrTokenUsedBeforeIssued.Error(), "it was issued in the future"},
		{jwt.ErrTokenInvalidIssuer.Error(), "its issuer is not trusted here"},
		{jwt.ErrTokenInvalidAudience.Error(), "it is meant for another audience"},
		{jwt.ErrTokenRequiredClaimMissing.Error(), "a claim is missing"},
	} {
		if strings.Contains(text, r.sign) {
			return r.words
		}
	}
	return "its claims are not valid"
}

// decodePart reads one part of a token: base64url without padding or stray bits, then JSON without duplicate members
// and invalid UTF-8, names matched to the letter.
func decodePart(part string, v any) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, v)
}

// claims is what a token says. It implements jwt.Claims.
type claims struct {
	TenantID string       `json:"tenant_id"`
	Subject  string       `json:"sub,omitempty"`
	Scope    scopes       `json:"scope,omitempty"`
	Issuer   string       `json:"iss,omitempty"`
	Audience audience     `json:"aud,omitempty"`
	ID       string       `json:"jti,omitempty"`
	Expiry   *numericDate `json:"exp,omitempty"`
	Issued   *numericDate `json:"iat,omitempty"`
	NotFrom  *numericDate `json:"nbf,omitempty"`
	Family   string       `json:"sid,omitempty"`    // of our own tokens: the refresh family it belongs to
	KeyID    string       `json:"key_id,omitempty"` // of our own tokens: the API key it was made from
}

func (c *claims) expires() time.Time { return c.Expiry.time() }

// The methods of jwt.Claims.

func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.Expiry.jwt(), nil }
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error)       { return c.Issued.jwt(), nil }
func (c *claims) GetNotBefore() (*jwt.NumericDate, error)      { return c.NotFrom.jwt(), nil }
func (c *claims) GetIssuer() (string, error)                   { return c.Issuer, nil }
func (c *claims) GetSubject() (string, error)                  { return c.Subject, nil }
func (c *claims) GetAudience() (jwt.ClaimStrings, error)       { return jwt.ClaimStrings(c.Audience), nil }

// Validate implements jwt.ClaimsValidator: the bounds that the others don't have.
func (c *claims) Validate() error {
	if len(c.Subject) > maxSubject || len(c.ID) > maxSubject || len(c.Family) > maxSubject || len(c.KeyID) > maxSubject {
		return errors.New("a claim is too long")
	}
	return nil
}

// numericDate is a JSON number of seconds since 1970, with a fraction perhaps.
type numericDate float64

// UnmarshalJSON takes numbers of a sane size only.
func (d *numericDate) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	if math.IsNaN(f) || f < 0 || f > maxNumericAt {
		return errors.New("date out of range")
	}
	*d = numericDate(f)
	return nil
}

func (d *numericDate) time() time.Time {
	if d == nil {
		return time.Time{}
	}
	whole, part := math.Modf(float64(*d))
	return time.Unix(int64(whole), int64(part*1e9))
}

func (d *numericDate) jwt() *jwt.NumericDate {
	if d == nil {
		return nil
	}
	return &jwt.NumericDate{Time: d.time()}
}

// scopes is a list, or one text of words parted by spaces.
type scopes []string

// UnmarshalJSON takes both forms. Words that are no scope here, as other issuers have them, count for nothing.
func (s *scopes) UnmarshalJSON(b []byte) error {
	list, err := stringOrList(b)
	if err != nil {
		return err
	}
	if jsontext.Value(b).Kind() == '"' {
		list = tenant.SplitScopes(list[0])
	}
	for _, one := range list {
		if tenant.ValidScope(one) && len(*s) < maxScopes {
			*s = append(*s, one)
		}
	}
	return nil
}

// MarshalJSON writes the text, the form of RFC 9068.
func (s scopes) MarshalJSON() ([]byte, error) { return json.Marshal(strings.Join(s, " ")) }

// audience is one name or a list of them.
type audience []string

// UnmarshalJSON takes both forms.
func (a *audience) UnmarshalJSON(b []byte) (err error) {
	*a, err = stringOrList(b)
	return err
}

func stringOrList(b []byte) ([]string, error) {
	if jsontext.Value(b).Kind() == '"' {
		var one string
		err := json.Unmarshal(b, &one)
		return []string{one}, err
	}
	var list []string
	if jsontext.Value(b).Kind() != '[' {
		return nil, errors.New("neither a text nor a list of texts")
	}
	err := json.Unmarshal(b, &list)
	return list, err
}
