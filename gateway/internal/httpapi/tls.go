package httpapi

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Certificates gives listeners their certificate: from the local CA, or from named files that are read again when they
// change. It looks when a caller comes, at most once a second, so it needs no goroutine and no closing.
type Certificates struct {
	load  func(now time.Time, old *tls.Certificate) (*tls.Certificate, error) // gives old when nothing changed
	log   *slog.Logger
	now   func() time.Time
	ca    string
	mu    sync.Mutex // held by the one handshake that looks
	next  atomic.Int64
	using atomic.Pointer[tls.Certificate]
}

const lookEvery = time.Second

// FileCertificates serves the certificate chain and key of two PEM files. A change of either is taken up within a
// second of the next handshake; files that can't be read then leave the old certificate in use and are logged.
func FileCertificates(certFile, keyFile string, log *slog.Logger) (*Certificates, error) {
	files := &certFiles{cert: certFile, key: keyFile}
	return newCertificates(files.load, "", log, time.Now)
}

// LocalCertificates serves a leaf of a CA of this machine's own. Both are made under dir when they are not there; the
// leaf is made anew before it ends, and when hosts has a name that it lacks. CAFile is what clients must trust.
func LocalCertificates(dir string, hosts []string, log *slog.Logger) (*Certificates, error) {
	return localCertificates(dir, hosts, log, time.Now)
}

func localCertificates(dir string, hosts []string, log *slog.Logger, now func() time.Time) (*Certificates, error) {
	a := &authority{dir: dir, hosts: leafHosts(hosts)}
	if err := a.open(now()); err != nil {
		return nil, err
	}
	return newCertificates(a.leaf, a.path(caCertFile), log, now)
}

func newCertificates(
	load func(time.Time, *tls.Certificate) (*tls.Certificate, error), ca string, log *slog.Logger, now func() time.Time,
) (*Certificates, error) {
	c := &Certificates{load: load, log: log, now: now, ca: ca}
	cert, err := load(now(), nil)
	if err != nil {
		return nil, err
	}
	c.using.Store(cert)
	c.next.Store(now().Add(lookEvery).UnixNano())
	return c, nil
}

// CAFile is the certificate that clients must trust; empty for named files.
func (c *Certificates) CAFile() string { return c.ca }

// Config is what an HTTPS listener needs: TLS 1.2 and 1.3, HTTP/1.1, session tickets.
func (c *Certificates) Config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current(), nil },
		CipherSuites: []uint16{ // of TLS 1.2: forward secrecy and authenticated encryption only
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
}

// current looks for a newer certificate when it is time to; all but one handshake go on with the one in use.
func (c *Certificates) current() *tls.Certificate {
	now := c.now()
	if now.UnixNano() < c.next.Load() || !c.mu.TryLock() {
		return c.using.Load()
	}
	defer c.mu.Unlock()
	c.next.Store(now.Add(lookEvery).UnixNano())
	old := c.using.Load()
	cert, err := c.load(now, old)
	if err != nil {
		c.log.Error("the certificate could not be renewed, the old one stays in use", slog.Any("cause", err))
		return old
	}
	if cert != old {
		c.using.Store(cert)
		c.log.Info("a new certificate is in use", slog.Time("not_after", cert.Leaf.NotAfter))
	}
	return cert
}

// certFiles is a named pair of files. Its loads are not concurrent.
type certFiles struct {
	cert, key string
	seen      [2]fileMark
}

type fileMark struct {
	at   time.Time
	size int64
}

func (f *certFiles) load(_ time.Time, old *tls.Certificate) (*tls.Certificate, error) {
	var marks [2]fileMark
	for i, name := range [2]string{f.cert, f.key} {
		info, err := os.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		marks[i] = fileMark{info.ModTime(), info.Size()}
	}
	if old != nil && marks == f.seen {
		return old, nil
	}
	cert, err := loadPair(f.cert, f.key)
	if err != nil {
		return nil, err
	}
	f.seen = marks
	return cert, nil
}

// loadPair reads a chain and its key, with the leaf parsed.
func loadPair(certFile, keyFile string) (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", certFile, keyFile, err)
	}
	if cert.Leaf == nil {
		if cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return nil, fmt.Errorf("certificate %s: %w", certFile, err)
		}
	}
	if cert.Leaf.IsCA && len(cert.Certificate) == 1 && cert.Leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return nil, errors.New("certificate " + certFile + ": it is a CA's own, not a server's")
	}
	return &cert, nil
}
