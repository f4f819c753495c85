package auth

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// rescanEvery is how soon an unknown kid may make the keyring look at its directory again.
const rescanEvery = time.Second

// Keyring is the Ed25519 keys that this deployment signs with, from the *.pem files (PKCS#8) of a directory. The one
// whose file name comes last signs; all verify, and all are published. A key put into the directory is found when a
// token names it, or at Reload.
type Keyring struct {
	dir string
	set atomic.Pointer[keySet]

	mu   sync.Mutex
	next time.Time // no rescan before
}

// keySet is one reading of the directory; it is never changed.
type keySet struct {
	keys map[string]ed25519.PublicKey
	kid  string // of the one that signs
	sign ed25519.PrivateKey
	jwks []byte
}

// OpenKeyring reads the keys of dir, and with create makes the first one where there is none.
func OpenKeyring(dir string, create bool) (*Keyring, error) {
	k := &Keyring{dir: dir}
	set, err := readKeys(dir)
	if errors.Is(err, errNoKeys) && create {
		if err := NewSigningKey(dir, time.Now()); err != nil {
			return nil, err
		}
		set, err = readKeys(dir)
	}
	if err != nil {
		return nil, err
	}
	k.set.Store(set)
	return k, nil
}

// NewSigningKey makes a key file, mode 0600, whose name comes after those of earlier ones. Gateways begin to sign with
// it at their next Reload or start; give the file to all of them before that.
func NewSigningKey(dir string, now time.Time) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("signing keys: %w", err)
	}
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "ed25519-"+now.UTC().Format("20060102T150405.000000000Z")+".pem")
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // a path of the configuration
	if err != nil {
		return fmt.Errorf("signing keys: %w", err)
	}
	err = errors.Join(pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der}), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("signing keys: %w", err), os.Remove(tmp))
	}
	return nil
}

var errNoKeys = errors.New("there is no signing key")

func readKeys(dir string) (*keySet, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.pem"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%w in %s", errNoKeys, dir)
	}
	slices.Sort(paths)
	set := &keySet{keys: make(map[string]ed25519.PublicKey, len(paths))}
	var published []jwk
	for _, path := range paths {
		priv, err := readKey(path)
		if err != nil {
			return nil, err
		}
		pub := priv.Public().(ed25519.PublicKey) //nolint:forcetypeassert,errcheck // by its contract
		j := jwkOf(pub)
		set.keys[j.Kid] = pub
		set.kid, set.sign = j.Kid, priv // the last stays
		published = append(published, j)
	}
	slices.SortFunc(published, func(a, b jwk) int { return cmp.Compare(a.Kid, b.Kid) })
	set.jwks, err = json.Marshal(map[string]any{"keys": slices.Compact(published)})
	return set, err
}

func readKey(path string) (ed25519.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("signing key %s can be read by everybody: make its mode 0600", path)
	}
	text, err := os.ReadFile(path) //nolint:gosec // a path of the configuration
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("signing key %s is no PKCS#8 PEM", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", path, err)
	}
	priv, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("signing key %s is no Ed25519 key", path)
	}
	return priv, nil
}

// jwk is a public key as RFC 8037 has it.
type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Kid string `json:"kid"`
	Use string `json:"use"`
	Alg string `json:"alg"`
}

// jwkOf names a key by its thumbprint (RFC 7638), which every gateway works out alike.
func jwkOf(pub ed25519.PublicKey) jwk {
	x := base64.RawURLEncoding.EncodeToString(pub)
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + x + `"}`))
	return jwk{
		Kty: "OKP", Crv: "Ed25519", X: x, Kid: base64.RawURLEncoding.EncodeToString(sum[:]), Use: "sig", Alg: "EdDSA",
	}
}

// Reload reads the directory again; with an error the keys stay as they were.
func (k *Keyring) Reload() error {
	set, err := readKeys(k.dir)
	if err != nil {
		return err
	}
	k.set.Store(set)
	return nil
}

// JWKS is the public keys as a JWK set (RFC 7517).
func (k *Keyring) JWKS() []byte { return k.set.Load().jwks }

// signer gives the key that signs.
func (k *Keyring) signer() (kid string, key ed25519.PrivateKey) {
	set := k.set.Load()
	return set.kid, set.sign
}

// public finds a key by its id. One that is not known may have come since: the directory is looked at again, at most
// once a second.
func (k *Keyring) public(kid string) (ed25519.PublicKey, bool) {
	if pub, ok := k.set.Load().keys[kid]; ok {
		return pub, true
	}
	if len(kid) != base64.RawURLEncoding.EncodedLen(sha256.Size) {
		return nil, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); now.After(k.next) {
		k.next = now.Add(rescanEvery)
		_ = k.Reload() // the keys known go on
	}
	pub, ok := k.set.Load().keys[kid]
	return pub, ok
}
