package httpapi

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// The files of the local CA, and how long what they hold is good.
const (
	caCertFile   = "ca.pem"
	caKeyFile    = "ca-key.pem"
	leafCertFile = "server.pem"
	leafKeyFile  = "server-key.pem"

	caLife     = 10 * 365 * 24 * time.Hour
	leafLife   = 90 * 24 * time.Hour
	leafRenew  = 30 * 24 * time.Hour // made anew when it has less than this left
	clockDrift = time.Hour           // of clients whose clock is behind
)

// authority is a CA for this machine alone. Its loads are not concurrent.
type authority struct {
	dir   string
	hosts []string
	cert  *x509.Certificate
	key   crypto.Signer
}

// leafHosts is what a leaf is made for: this machine as it calls itself, and the listeners' own hosts.
func leafHosts(more []string) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	for _, h := range more {
		if ip := net.ParseIP(h); h == "" || ip != nil && ip.IsUnspecified() || slices.Contains(hosts, h) {
			continue
		}
		hosts = append(hosts, h)
	}
	return hosts
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

// open reads the CA, or makes it when it is not there or has ended.
func (a *authority) open(now time.Time) error {
	pair, err := loadPairOf(a.path(caCertFile), a.path(caKeyFile))
	switch {
	case err == nil && pair.Leaf.NotAfter.After(now.Add(leafLife)):
		signer, ok := pair.PrivateKey.(crypto.Signer)
		if !ok {
			return errors.New("the local CA's key can't sign: " + a.path(caKeyFile))
		}
		a.cert, a.key = pair.Leaf, signer
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the local CA can't be read; remove %s to have a new one made: %w", a.dir, err)
	}
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return fmt.Errorf("local CA: %w", err)
	}
	return a.create(now)
}

func (a *authority) create(now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("local CA: %w", err)
	}
	host, _ := os.Hostname() // a help for whoever looks at the list of trusted CAs; may be empty
	tmpl := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "Penstock development CA " + host, Organization: []string{"Penstock"}},
		NotBefore:             now.Add(-clockDrift),
		NotAfter:              now.Add(caLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return fmt.Errorf("local CA: %w", err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return fmt.Errorf("local CA: %w", err)
	}
	a.key = key
	return writePair(a.path(caCertFile), a.path(caKeyFile), key, der)
}

// leaf gives the certificate in use while it is good, else the one on disk, else a new one.
func (a *authority) leaf(now time.Time, old *tls.Certificate) (*tls.Certificate, error) {
	if old != nil && a.good(old.Leaf, now) {
		return old, nil
	}
	if old == nil {
		pair, err := loadPairOf(a.path(leafCertFile), a.path(leafKeyFile))
		if err == nil && a.good(pair.Leaf, now) {
			return pair, nil
		}
	}
	return a.issue(now)
}

func (a *authority) good(leaf *x509.Certificate, now time.Time) bool {
	if leaf.NotAfter.Sub(now) < leafRenew || now.Before(leaf.NotBefore) || leaf.CheckSignatureFrom(a.cert) != nil {
		return false
	}
	return !slices.ContainsFunc(a.hosts, func(h string) bool { return leaf.VerifyHostname(h) != nil })
}

func (a *authority) issue(now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("local certificate: %w", err)
	}
	tmpl := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "localhost", Organization: []string{"Penstock"}},
		NotBefore:             now.Add(-clockDrift),
		NotAfter:              now.Add(leafLife),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range a.hosts {
		if ip := net.ParseIP(h); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("local certificate: %w", err)
	}
	if err := writePair(a.path(leafCertFile), a.path(leafKeyFile), key, der, a.cert.Raw); err != nil {
		return nil, err
	}
	return loadPair(a.path(leafCertFile), a.path(leafKeyFile))
}

// loadPairOf is loadPair, that lets a CA's own certificate pass.
func loadPairOf(certFile, keyFile string) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	if pair.Leaf == nil {
		pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0])
	}
	return &pair, err
}

func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its contract
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:])
}

// writePair writes the key first, each file whole or not at all.
func writePair(certFile, keyFile string, key *ecdsa.PrivateKey, chain ...[]byte) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("local CA: %w", err)
	}
	if err := writeFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return err
	}
	var out []byte
	for _, c := range chain {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c})...)
	}
	return writeFile(certFile, out, 0o644)
}

func writeFile(name string, b []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("local CA: %w", err)
	}
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("local CA: %w", errors.Join(err, os.Remove(tmp.Name())))
	}
	return nil
}
