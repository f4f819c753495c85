package auth_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-dev/penstock/gateway/internal/auth"
	"github.com/penstock-dev/penstock/gateway/internal/redisdb"
	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/testenv/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "a secret that is shared with the seed deployment"

// clock is a time that tests move.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// world is a gateway's identity part over one Redis.
type world struct {
	*auth.Service
	db    *redisdb.DB
	admin *tenant.Admin
	keys  *auth.Keyring
	dir   string
	clock *clock
	trust []auth.TrustedKey
}

func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		t.Log("redis: embedded")
		test(t, newWorld(t, embedded(t)))
	})
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		url, version, ok := redistest.Start(t)
		if !ok {
			t.Log("redis: no redis-server installed, embedded only")
			return
		}
		t.Log("redis: redis-server " + version)
		db, err := redisdb.Open(t.Context(), url)
		require.NoError(t, err)
		t.Cleanup(func() { _ = db.Close() })
		test(t, newWorld(t, db))
	})
}

func embedded(tb testing.TB) *redisdb.DB {
	tb.Helper()
	e, err := redisdb.StartEmbedded(redisdb.EmbeddedConfig{Addr: "127.0.0.1:0"}, slog.New(slog.DiscardHandler))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, e.Close()) })
	db := e.DB()
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}

func newWorld(tb testing.TB, db *redisdb.DB, trust ...auth.TrustedKey) *world {
	tb.Helper()
	w := &world{db: db, dir: tb.TempDir(), clock: &clock{}}
	w.trust = append(trust, auth.TrustedKey{Alg: "HS256", Secret: []byte(secret)})
	var err error
	w.keys, err = auth.OpenKeyring(w.dir, true)
	require.NoError(tb, err)
	w.Service, w.admin = w.gateway(tb)
	_, err = w.admin.Create(tb.Context(), []byte(`{"id":"t1","scopes":["ner","re","jobs","model:*"]}`))
	require.NoError(tb, err)
	return w
}

// gateway makes one more gateway's part over the same Redis and keys.
func (w *world) gateway(tb testing.TB) (*auth.Service, *tenant.Admin) {
	tb.Helper()
	dir := tenant.NewDirectory(w.db, tenant.DirectoryConfig{Now: w.clock.now})
	s, err := auth.New(auth.Config{Keys: w.keys, Trusted: w.trust, Now: w.clock.now}, dir, w.db)
	require.NoError(tb, err)
	return s, tenant.NewAdmin(w.db, dir)
}

func (w *world) key(tb testing.TB, body string) tenant.NewKey {
	tb.Helper()
	k, err := w.admin.CreateKey(tb.Context(), "t1", []byte(body))
	require.NoError(tb, err)
	return k
}

func (w *world) who(tb testing.TB, bearer string) *tenant.Principal {
	tb.Helper()
	p, err := w.Authenticate(tb.Context(), bearer, netip.MustParseAddr("192.0.2.1"))
	require.NoError(tb, err)
	return p
}

func code(tb testing.TB, s *auth.Service, bearer string) fault.Code {
	tb.Helper()
	_, err := s.Authenticate(tb.Context(), bearer, netip.MustParseAddr("192.0.2.1"))
	return fault.CodeOf(err)
}

func TestKeyToTokenToPrincipal(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		t.Helper()
		k := w.key(t, `{"scopes":["ner","jobs"]}`)
		p := w.who(t, k.Secret)
		assert.Equal(t, "t1", p.Tenant.ID)
		assert.Equal(t, k.ID, p.Subject)
		assert.Equal(t, []string{"ner", "jobs"}, p.Scopes)
		assert.Empty(t, p.TokenID)
		assert.Same(t, p, w.who(t, k.Secret))

		pair, err := w.Issue(t.Context(), p, tenant.TokenRequest{})
		require.NoError(t, err)
		assert.Equal(t, "Bearer", pair.TokenType)
		assert.EqualValues(t, 3600, pair.ExpiresIn)
		q := w.who(t, pair.AccessToken)
		assert.Equal(t, p.Scopes, q.Scopes)
		assert.Equal(t, k.ID, q.Subject)
		assert.NotEmpty(t, q.TokenID)
		assert.WithinDuration(t, w.clock.now().Add(time.Hour), q.Expires, 3*time.Second)

		less, err := w.Issue(t.Context(), p, tenant.TokenRequest{ExpiresIn: 60, Scope: "ner"})
		require.NoError(t, err)
		assert.EqualValues(t, 60, less.ExpiresIn)
		assert.Equal(t, []string{"ner"}, w.who(t, less.AccessToken).Scopes)
		for r, want := range map[tenant.TokenRequest]fault.Code{
			{ExpiresIn: 3601}:    fault.InvalidInput,
			{ExpiresIn: -1}:      fault.InvalidInput,
			{Scope: "re"}:        fault.ScopeMissing,
			{Scope: "*"}:         fault.ScopeMissing,
			{Scope: "ner \"é\""}: fault.InvalidInput,
			{Scope: "  "}:        fault.InvalidInput,
		} {
			_, err := w.Issue(t.Context(), p, r)
			assert.Equal(t, want, fault.CodeOf(err), "%+v", r)
		}
		_, err = w.Issue(t.Context(), q, tenant.TokenRequest{})
		assert.Equal(t, fault.Forbidden, fault.CodeOf(err), "a token makes no token")

		w.clock.advance(61 * time.Second)
		assert.Equal(t, fault.Unauthenticated, code(t, w.Service, less.AccessToken))
		w.who(t, pair.AccessToken)
		require.NoError(t, w.admin.DeleteKey(t.Context(), "t1", k.ID))
		assert.Equal(t, fault.Unauthenticated, code(t, w.Service, k.Secret))
		assert.Equal(t, fault.Unauthenticated, code(t, w.Service, pair.AccessToken), "a token ends with its key")
	})
}

func TestRefreshTokensWorkOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		t.Helper()
		ctx := t.Context()
		other, _ := w.gateway(t)
		p := w.who(t, w.key(t, "").Secret)
		first, err := w.Issue(ctx, p, tenant.TokenRequest{Scope: "ner jobs"})
		require.NoError(t, err)
		second, err := other.Refresh(ctx, first.RefreshToken)
		require.NoError(t, err)
		assert.Equal(t, "ner jobs", second.Scope)
		w.who(t, first.AccessToken)
		w.who(t, second.AccessToken)

		_, err = w.Refresh(ctx, first.RefreshToken)
		assert.Equal(t, fault.Unauthenticated, fault.CodeOf(err))
		_, err = w.Refresh(ctx, second.RefreshToken)
		assert.Equal(t, fault.Unauthenticated, fault.CodeOf(err), "re-use ends the family")
		w.clock.advance(time.Second)
		for _, s := range []*auth.Service{w.Service, other} {
			assert.Equal(t, fault.Unauthenticated, code(t, s, first.AccessToken))
			assert.Equal(t, fault.Unauthenticated, code(t, s, second.AccessToken))
		}
		for _, bad := range []string{"", "psr_", "psr_nothing", first.AccessToken, strings.Repeat("x", 10000)} {
			_, err := w.Refresh(ctx, bad)
			assert.Equal(t, fault.Unauthenticated, fault.CodeOf(err), bad)
		}
	})
}

func TestOneOfManyRefreshersWins(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		t.Helper()
		p := w.who(t, w.key(t, "").Secret)
		pair, err := w.Issue(t.Context(), p, tenant.TokenRequest{})
		require.NoError(t, err)
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := w.Refresh(context.Background(), pair.RefreshToken); err == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		assert.LessOrEqual(t, won.Load(), int32(1))
		w.clock.advance(time.Second)
		assert.Equal(t, fault.Unauthenticated, code(t, w.Service, pair.AccessToken))
	})
}

func TestRevokeHoldsEverywhereWithinASecond(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		t.Helper()
		ctx := t.Context()
		other, _ := w.gateway(t)
		p := w.who(t, w.key(t, "").Secret)
		a, err := w.Issue(ctx, p, tenant.TokenRequest{})
		require.NoError(t, err)
		b, err := w.Issue(ctx, p, tenant.TokenRequest{})
		require.NoError(t, err)
		seed := hs256(t, map[string]any{"alg": "HS256", "typ": "JWT"}, map[string]any{
			"tenant_id": "t1", "exp": time.Now().Add(time.Hour).Unix(), "scope": "ner",
		})
		for _, bearer := range []string{a.AccessToken, b.AccessToken, seed} {
			assert.Empty(t, code(t, other, bearer))
		}
		require.NoError(t, w.Revoke(ctx, p, a.AccessToken))
		require.NoError(t, w.Revoke(ctx, p, b.RefreshToken))
		require.NoError(t, w.Revoke(ctx, p, seed))
		assert.Equal(t, fault.Unauthenticated, code(t, w.Service, a.AccessToken))
		w.clock.advance(time.Second)
		for _, s := range []*auth.Service{w.Service, other} {
			for _, bearer := range []string{a.AccessToken, b.AccessToken, seed} {
				assert.Equal(t, fault.Unauthenticated, code(t, s, bearer))
			}
		}
		_, err = other.Refresh(ctx, a.RefreshToken)
		require.NoError(t, err, "only the access token was revoked")

		_, err = w.admin.Create(ctx, []byte(`{"id":"t2","scopes":["*"]}`))
		require.NoError(t, err)
		c, err := w.Issue(ctx, p, tenant.TokenRequest{})
		require.NoError(t, err)
		foreign := &tenant.Principal{Tenant: tenant.Tenant{ID: "t2"}}
		require.NoError(t, w.Revoke(ctx, foreign, c.AccessToken))
		require.NoError(t, w.Revoke(ctx, foreign, c.RefreshToken))
		require.NoError(t, w.Revoke(ctx, p, "what.is.this"))
		w.clock.advance(time.Second)
		w.who(t, c.AccessToken)
		assert.Equal(t, fault.InvalidInput, fault.CodeOf(w.Revoke(ctx, p, "")))
	})
}

func TestTenantsStateHoldsForItsTokens(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		t.Helper()
		ctx := t.Context()
		other, _ := w.gateway(t)
		k := w.key(t, "")
		pair, err := w.Issue(ctx, w.who(t, k.Secret), tenant.TokenRequest{})
		require.NoError(t, err)
		both := []string{k.Secret, pair.AccessToken}
		for _, bearer := range both {
			assert.Empty(t, code(t, other, bearer))
		}
		_, err = w.admin.Disable(ctx, "t1")
		require.NoError(t, err)
		for _, bearer := range both {
			assert.Equal(t, fault.TenantDisabled, code(t, w.Service, bearer), "here at once")
		}
		w.clock.advance(time.Second)
		for _, bearer := range both {
			assert.Equal(t, fault.TenantDisabled, code(t, other, bearer), "elsewhere within a second")
		}
		_, err = w.admin.Update(ctx, "t1", []byte(`{"enabled":true,"scopes":["ner"],"ip_allow":["192.0.2.0/24"]}`))
		require.NoError(t, err)
		w.clock.advance(time.Second)
		assert.Equal(t, []string{"ner"}, w.who(t, pair.AccessToken).Scopes, "what the tenant lost its tokens lose")
		for addr, want := range map[string]fault.Code{
			"192.0.2.9": "", "::ffff:192.0.2.9": "", "198.51.100.1": fault.IPNotAllowed, "2001:db8::1": fault.IPNotAllowed,
		} {
			_, err := other.Authenticate(ctx, pair.AccessToken, netip.MustParseAddr(addr))
			assert.Equal(t, want, fault.CodeOf(err), addr)
		}
		_, err = other.Authenticate(ctx, pair.AccessToken, netip.Addr{})
		assert.Equal(t, fault.IPNotAllowed, fault.CodeOf(err))
		require.NoError(t, w.admin.Delete(ctx, "t1"))
		w.clock.advance(time.Second)
		assert.Equal(t, fault.Unauthenticated, code(t, other, pair.AccessToken))
	})
}

func TestBadKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded(t))
	k := w.key(t, "")
	last := k.Secret[len(k.Secret)-1]
	for _, bearer := range []string{
		"", "psk_", "psk__", k.Secret + "x", k.Secret[:len(k.Secret)-1], k.Secret[:len(k.Secret)-1] + string(last^1),
		strings.ToUpper(k.Secret), " " + k.Secret, "psk_" + strings.Repeat("a", 16) + k.Secret[20:],
		"psk_" + strings.Repeat("a", 9000), "psk_../../etc/passwd_" + strings.Repeat("a", 39), k.ID,
	} {
		assert.Equal(t, fault.Unauthenticated, code(t, w.Service, bearer), bearer)
	}
	at := w.clock.now().Add(time.Minute).UTC().Format(time.RFC3339)
	short := w.key(t, `{"expires_at":"`+at+`"}`)
	pair, err := w.Issue(t.Context(), w.who(t, short.Secret), tenant.TokenRequest{})
	require.NoError(t, err)
	assert.LessOrEqual(t, pair.ExpiresIn, int64(60), "no token outlives its key")
	w.clock.advance(2 * time.Minute)
	assert.Equal(t, fault.Unauthenticated, code(t, w.Service, short.Secret))
}

// part encodes one part of a token; a string goes as it is.
func part(tb testing.TB, v any) string {
	tb.Helper()
	raw, ok := v.(string)
	if !ok {
		b, err := json.Marshal(v)
		require.NoError(tb, err)
		raw = string(b)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(raw))
}

func hs256With(tb testing.TB, key []byte, head, body any) string {
	tb.Helper()
	text := part(tb, head) + "." + part(tb, body)
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func hs256(tb testing.TB, head, body any) string {
	tb.Helper()
	return hs256With(tb, []byte(secret), head, body)
}

// TestHostileTokens shows every way in that we know of a closed door.
func TestHostileTokens(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	w := newWorld(t, embedded(t),
		auth.TrustedKey{Alg: "RS256", KeyID: "idp", Public: &rsaKey.PublicKey, Issuer: "https://idp.example", Audience: "api"},
		auth.TrustedKey{Alg: "ES256", KeyID: "ec", Public: &ecKey.PublicKey})
	der, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	require.NoError(t, err)
	rsaPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})

	own := ownKey(t, w.dir)
	kid := jwksKids(t, w.JWKS())[0]
	now := time.Now()
	good := map[string]any{
		"tenant_id": "t1", "sub": "s", "scope": "ner", "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "nbf": now.Unix(),
		"jti": "j", "iss": "penstock", "aud": "penstock",
	}
	with := func(changes map[string]any) map[string]any {
		c := maps.Clone(good)
		for k, v := range changes {
			if v == nil {
				delete(c, k)
			} else {
				c[k] = v
			}
		}
		return c
	}
	eddsa := func(head, body any) string {
		text := part(t, head) + "." + part(t, body)
		return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(own, []byte(text)))
	}
	signed := func(m jwt.SigningMethod, key any, kid string, claims map[string]any) string {
		tok := jwt.NewWithClaims(m, jwt.MapClaims(claims))
		if kid != "" {
			tok.Header["kid"] = kid
		}
		text, err := tok.SignedString(key)
		require.NoError(t, err)
		return text
	}
	ed := map[string]any{"alg": "EdDSA", "kid": kid}
	hs := map[string]any{"alg": "HS256"}
	seed := map[string]any{"tenant_id": "t1", "exp": now.Add(time.Hour).Unix(), "scope": "ner"}
	ours := eddsa(ed, good)
	idp := with(map[string]any{"iss": "https://idp.example", "aud": []string{"x", "api"}})

	for name, bearer := range map[string]string{
		"own":                  ours,
		"own, scope as a list": eddsa(ed, with(map[string]any{"scope": []string{"ner"}})),
		"own, aud as a list":   eddsa(ed, with(map[string]any{"aud": []string{"other", "penstock"}})),
		"own, unknown claims":  eddsa(ed, with(map[string]any{"x": map[string]any{"y": 1}})),
		"own, jku and jwk":     eddsa(map[string]any{"alg": "EdDSA", "kid": kid, "jku": "http://127.0.0.1:1", "jwk": map[string]any{}, "x5u": "x"}, good),
		"seed":                 hs256(t, hs, seed),
		"seed, typ":            hs256(t, map[string]any{"typ": "JWT", "alg": "HS256"}, seed),
		"seed, exp a fraction": hs256(t, hs, map[string]any{"tenant_id": "t1", "exp": float64(now.Add(time.Hour).Unix()) + 0.5, "scope": []string{"ner"}}),
		"idp":                  signed(jwt.SigningMethodRS256, rsaKey, "idp", idp),
		"ec":                   signed(jwt.SigningMethodES256, ecKey, "ec", seed),
	} {
		assert.Equal(t, fault.Code(""), code(t, w.Service, bearer), name)
	}
	assert.Empty(t, w.who(t, hs256(t, hs, map[string]any{"tenant_id": "t1", "exp": now.Add(time.Hour).Unix()})).Scopes,
		"a token without scope may do nothing")

	foreign := w.who(t, eddsa(ed, with(map[string]any{"scope": "openid https://example.com/x ner \"re\""})))
	assert.Equal(t, []string{"ner"}, foreign.Scopes, "words of others count for nothing")

	sigOf := func(text string) string { return text[strings.LastIndex(text, ".")+1:] }
	cut := func(text string) string { return text[:strings.LastIndex(text, ".")] }
	flip := func(b byte) string { // another digit that differs in the stray bits only
		const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		return string(digits[strings.IndexByte(digits, b)^1])
	}
	strayBits := ours[:len(ours)-1] + flip(ours[len(ours)-1])
	weak, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for name, bearer := range map[string]string{
		"none":                        part(t, map[string]any{"alg": "none"}) + "." + part(t, seed) + ".",
		"None":                        part(t, map[string]any{"alg": "None"}) + "." + part(t, seed) + ".",
		"none with our kid":           part(t, map[string]any{"alg": "none", "kid": kid}) + "." + part(t, good) + ".",
		"none, the signature kept":    part(t, map[string]any{"alg": "none", "kid": kid}) + "." + part(t, good) + "." + sigOf(ours),
		"no alg":                      part(t, map[string]any{"kid": kid}) + "." + part(t, good) + "." + sigOf(ours),
		"no signature":                cut(ours) + ".",
		"HS256 by the RSA public key": hs256With(t, rsaPEM, map[string]any{"alg": "HS256", "kid": "idp"}, idp),
		"HS256 by its DER":            hs256With(t, der, map[string]any{"alg": "HS256"}, seed),
		"HS256 by our public key":     hs256With(t, publicOf(t, own), map[string]any{"alg": "HS256", "kid": kid}, good),
		"HS256 by an empty secret":    hs256With(t, nil, hs, seed),
		"HS384":                       signed(jwt.SigningMethodHS384, []byte(secret), "", seed),
		"HS512":                       signed(jwt.SigningMethodHS512, []byte(secret), "", seed),
		"PS256 by the RS256 key":      signed(jwt.SigningMethodPS256, rsaKey, "idp", idp),
		"RS512":                       signed(jwt.SigningMethodRS512, rsaKey, "idp", idp),
		"RS256 without kid":           signed(jwt.SigningMethodRS256, rsaKey, "", idp),
		"ES384":                       signed(jwt.SigningMethodES384, weak, "ec", seed),
		"EdDSA by the ES256 kid":      eddsa(map[string]any{"alg": "EdDSA", "kid": "ec"}, good),
		"alg in another case":         eddsa(map[string]any{"alg": "eddsa", "kid": kid}, good),
		"own without kid":             eddsa(map[string]any{"alg": "EdDSA"}, good),
		"kid empty":                   eddsa(map[string]any{"alg": "EdDSA", "kid": ""}, good),
		"kid null":                    eddsa(`{"alg":"EdDSA","kid":null}`, good),
		"kid a number":                eddsa(`{"alg":"EdDSA","kid":1}`, good),
		"kid a path":                  eddsa(map[string]any{"alg": "EdDSA", "kid": "../../../../dev/null"}, good),
		"kid with SQL":                hs256With(t, []byte("x"), map[string]any{"alg": "HS256", "kid": "x' UNION SELECT 'x"}, seed),
		"kid long":                    eddsa(map[string]any{"alg": "EdDSA", "kid": strings.Repeat("k", 4000)}, good),
		"seed with a kid":             hs256(t, map[string]any{"alg": "HS256", "kid": "any"}, seed),
		"a stranger's key in jwk":     strangers(t, stranger, kid, good),
		"crit":                        eddsa(map[string]any{"alg": "EdDSA", "kid": kid, "crit": []string{"exp"}}, good),
		"crit b64":                    eddsa(map[string]any{"alg": "EdDSA", "kid": kid, "crit": []string{"b64"}, "b64": false}, good),
		"crit empty":                  eddsa(map[string]any{"alg": "EdDSA", "kid": kid, "crit": []string{}}, good),
		"crit null":                   eddsa(`{"alg":"EdDSA","kid":"`+kid+`","crit":null}`, good),
		"alg twice":                   eddsa(`{"alg":"none","alg":"EdDSA","kid":"`+kid+`"}`, good),
		"tenant twice":                eddsa(ed, `{"tenant_id":"t1","tenant_id":"t1","iss":"penstock","aud":"penstock","exp":99999999999}`),
		"exp in another case":         hs256(t, hs, `{"tenant_id":"t1","EXP":99999999999}`),
		"expired":                     eddsa(ed, with(map[string]any{"exp": now.Add(-time.Second).Unix()})),
		"no exp":                      eddsa(ed, with(map[string]any{"exp": nil})),
		"seed without exp":            hs256(t, hs, map[string]any{"tenant_id": "t1"}),
		"exp null":                    hs256(t, hs, `{"tenant_id":"t1","exp":null}`),
		"exp a text":                  hs256(t, hs, map[string]any{"tenant_id": "t1", "exp": "99999999999"}),
		"exp beyond all years":        hs256(t, hs, `{"tenant_id":"t1","exp":1e300}`),
		"exp negative":                hs256(t, hs, `{"tenant_id":"t1","exp":-1}`),
		"nbf in the future":           eddsa(ed, with(map[string]any{"nbf": now.Add(time.Minute).Unix()})),
		"iat in the future":           eddsa(ed, with(map[string]any{"iat": now.Add(time.Minute).Unix()})),
		"issuer":                      eddsa(ed, with(map[string]any{"iss": "penstock2"})),
		"no issuer":                   eddsa(ed, with(map[string]any{"iss": nil})),
		"issuer a list":               eddsa(ed, with(map[string]any{"iss": []string{"penstock"}})),
		"audience":                    eddsa(ed, with(map[string]any{"aud": "other"})),
		"no audience":                 eddsa(ed, with(map[string]any{"aud": nil})),
		"audience an object":          eddsa(ed, with(map[string]any{"aud": map[string]any{"penstock": 1}})),
		"idp's issuer":                signed(jwt.SigningMethodRS256, rsaKey, "idp", good),
		"no tenant":                   eddsa(ed, with(map[string]any{"tenant_id": nil})),
		"tenant with a colon":         eddsa(ed, with(map[string]any{"tenant_id": "t1:quota"})),
		"tenant a list":               eddsa(ed, with(map[string]any{"tenant_id": []string{"t1"}})),
		"tenant unknown":              eddsa(ed, with(map[string]any{"tenant_id": "t9"})),
		"scope a number":              eddsa(ed, with(map[string]any{"scope": 1})),
		"head no JSON":                eddsa("{", good),
		"head an array":               eddsa("[]", good),
		"claims an array":             eddsa(ed, "[]"),
		"claims with a tail":          eddsa(ed, `{"tenant_id":"t1"} {}`),
		"invalid UTF-8":               eddsa(ed, "{\"tenant_id\":\"t1\",\"sub\":\"\xff\"}"),
		"padding":                     ours + "=",
		"padding in the head":         part(t, ed) + "==." + part(t, good) + "." + sigOf(ours),
		"stray bits":                  strayBits,
		"standard base64":             strings.NewReplacer("-", "+", "_", "/").Replace(ours) + "+/",
		"a line break":                ours[:20] + "\n" + ours[20:],
		"a fourth part":               ours + ".x",
		"two parts":                   cut(ours),
		"five parts, as JWE":          "a.b.c.d.e",
		"dots":                        "..",
		"JSON form":                   `{"payload":"x","signatures":[]}`,
		"NUL":                         "\x00",
		"signature of another":        cut(ours) + "." + sigOf(eddsa(ed, with(map[string]any{"sub": "z"}))),
		"huge":                        eddsa(ed, with(map[string]any{"x": strings.Repeat("x", 8<<10)})),
		"deep":                        eddsa(ed, strings.Repeat("[", 3000)+strings.Repeat("]", 3000)),
	} {
		assert.Equal(t, fault.Unauthenticated, code(t, w.Service, bearer), name)
	}
}

func strangers(t *testing.T, key ed25519.PrivateKey, kid string, claims map[string]any) string {
	t.Helper()
	x := base64.RawURLEncoding.EncodeToString(publicOf(t, key))
	text := part(t, map[string]any{
		"alg": "EdDSA", "kid": kid, "jwk": map[string]any{"kty": "OKP", "crv": "Ed25519", "x": x},
	}) + "." + part(t, claims)
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(text)))
}

func ownKey(t *testing.T, dir string) ed25519.PrivateKey {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.pem"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	info, err := os.Stat(files[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	text, err := os.ReadFile(files[0])
	require.NoError(t, err)
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	priv, ok := key.(ed25519.PrivateKey)
	require.True(t, ok)
	return priv
}

func publicOf(t *testing.T, key ed25519.PrivateKey) ed25519.PublicKey {
	t.Helper()
	pub, ok := key.Public().(ed25519.PublicKey)
	require.True(t, ok)
	return pub
}

func jwksKids(t *testing.T, text []byte) (kids []string) {
	t.Helper()
	var set struct {
		Keys []struct {
			Kty string `json:"kty"`
			Kid string `json:"kid"`
			D   string `json:"d"`
		} `json:"keys"`
	}
	require.NoError(t, json.NewDecoder(bytes.NewReader(text)).Decode(&set))
	for _, k := range set.Keys {
		require.Equal(t, "OKP", k.Kty)
		require.Empty(t, k.D)
		kids = append(kids, k.Kid)
	}
	return kids
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded(t))
	before, err := w.Mint("t1", "x", []string{"ner"}, time.Hour)
	require.NoError(t, err)
	require.NoError(t, auth.NewSigningKey(w.dir, time.Now()))
	fresh, err := auth.OpenKeyring(w.dir, false) // another gateway, which signs with the new key already
	require.NoError(t, err)
	dir := tenant.NewDirectory(w.db, tenant.DirectoryConfig{})
	other, err := auth.New(auth.Config{Keys: fresh}, dir, w.db)
	require.NoError(t, err)
	after, err := other.Mint("t1", "x", []string{"ner"}, time.Hour)
	require.NoError(t, err)
	for _, s := range []*auth.Service{w.Service, other} {
		assert.Empty(t, code(t, s, before))
		assert.Empty(t, code(t, s, after))
	}
	assert.Len(t, jwksKids(t, other.JWKS()), 2)
	assert.Len(t, jwksKids(t, w.JWKS()), 2)
}

func TestWeakKeysAreRefused(t *testing.T) {
	t.Parallel()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		small = nil // the library refuses to make one
	}
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	bad := []auth.TrustedKey{
		{Alg: "HS256", Secret: []byte("short")},
		{Alg: "HS256"},
		{Alg: "none"},
		{Alg: "RS256", Secret: []byte(secret)},
		{Alg: "RS256", Public: crypto.PublicKey(&ec.PublicKey)},
		{Alg: "ES256", Public: &ec.PublicKey},
		{Alg: "HS512", Secret: []byte(secret)},
	}
	if small != nil {
		bad = append(bad, auth.TrustedKey{Alg: "RS256", Public: &small.PublicKey})
	}
	for _, k := range bad {
		_, err := auth.New(auth.Config{Trusted: []auth.TrustedKey{k}}, nil, nil)
		require.ErrorContains(t, err, "trusted key 1", "%s", k.Alg)
	}
	dir := t.TempDir()
	_, err = auth.OpenKeyring(dir, false)
	require.ErrorContains(t, err, dir)
	path := filepath.Join(dir, "a.pem")
	require.NoError(t, os.WriteFile(path, []byte("junk"), 0o600))
	_, err = auth.OpenKeyring(dir, true)
	require.ErrorContains(t, err, path)
	require.NoError(t, os.Chmod(path, 0o644))
	_, err = auth.OpenKeyring(dir, true)
	require.ErrorContains(t, err, "0600")
}

func TestDevelopmentCredentialsStayGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded(t))
	first, err := w.Development(t.Context(), w.admin, auth.Credentials{})
	require.NoError(t, err)
	second, err := w.Development(t.Context(), w.admin, first)
	require.NoError(t, err)
	assert.Equal(t, first.APIKey, second.APIKey)
	assert.True(t, w.who(t, second.AdminToken).Allows("admin"))
	p := w.who(t, second.Token)
	assert.False(t, p.Allows("admin"))
	assert.True(t, p.Allows("model:sleep"))
	assert.True(t, p.Allows("jobs"))
	w.who(t, second.APIKey)
	lost, err := w.Development(t.Context(), w.admin, auth.Credentials{APIKey: "psk_" + strings.Repeat("a", 16) + "_" + strings.Repeat("x", 43)})
	require.NoError(t, err)
	w.who(t, lost.APIKey)
}

func FuzzAuthenticate(f *testing.F) {
	w := newWorld(f, embedded(f))
	f.Add(hs256(f, map[string]any{"alg": "HS256"}, map[string]any{"tenant_id": "t1", "exp": 99999999999}))
	f.Add("psk_aaaaaaaaaaaaaaaa_x")
	f.Fuzz(func(t *testing.T, bearer string) {
		_, err := w.Authenticate(t.Context(), bearer, netip.Addr{})
		if err != nil && fault.CodeOf(err) != fault.Unauthenticated {
			t.Errorf("%q: %v", bearer, err)
		}
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	w := newWorld(b, embedded(b))
	k := w.key(b, "")
	pair, err := w.Issue(b.Context(), w.who(b, k.Secret), tenant.TokenRequest{})
	require.NoError(b, err)
	ip := netip.MustParseAddr("192.0.2.1")
	for name, bearer := range map[string]string{"token": pair.AccessToken, "key": k.Secret} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.Authenticate(b.Context(), bearer, ip); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
