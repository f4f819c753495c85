package httpapi

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// clock is a time that tests move.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(c.at.Load(), 0) }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Now().Unix())
	return c
}

func (c *clock) add(d time.Duration) { c.at.Add(int64(d / time.Second)) }

func verify(t *testing.T, certs *Certificates, host string, at time.Time) error {
	t.Helper()
	leaf := certs.current().Leaf
	_, err := leaf.Verify(x509.VerifyOptions{Roots: trustOf(t, certs), DNSName: host, CurrentTime: at})
	return err
}

func TestLocalCertificates(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tls")
	c := newClock()
	certs, err := localCertificates(dir, []string{"gateway.test", "0.0.0.0", "", "localhost", "192.0.2.1"}, quiet(), c.now)
	require.NoError(t, err)
	for _, host := range []string{"localhost", "127.0.0.1", "::1", "gateway.test", "192.0.2.1"} {
		require.NoError(t, verify(t, certs, host, c.now()), host)
	}
	require.Error(t, verify(t, certs, "other.test", c.now()))
	for name, mode := range map[string]os.FileMode{caKeyFile: 0o600, leafKeyFile: 0o600, caCertFile: 0o644, leafCertFile: 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), name)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 4, "no temporary files are left")

	first := certs.current()
	again, err := localCertificates(dir, []string{"gateway.test", "192.0.2.1"}, quiet(), c.now)
	require.NoError(t, err)
	require.Equal(t, first.Certificate, again.current().Certificate, "a second start keeps both")

	more, err := localCertificates(dir, []string{"new.test"}, quiet(), c.now)
	require.NoError(t, err)
	require.NoError(t, verify(t, more, "new.test", c.now()))
	require.NoError(t, verify(t, more, "localhost", c.now()))
}

func TestLeafIsRenewedWhileRunning(t *testing.T) {
	t.Parallel()
	c := newClock()
	certs, err := localCertificates(t.TempDir(), nil, quiet(), c.now)
	require.NoError(t, err)
	first := certs.current()
	c.add(leafLife - leafRenew - time.Hour)
	require.Same(t, first, certs.current())
	c.add(2 * time.Hour)
	second := certs.current()
	require.NotSame(t, first, second)
	require.NoError(t, verify(t, certs, "localhost", c.now().Add(leafRenew)))
	require.Same(t, second, certs.current())
}

func TestCAThatEndedIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := newClock()
	_, err := localCertificates(dir, nil, quiet(), c.now)
	require.NoError(t, err)
	c.add(caLife)
	certs, err := localCertificates(dir, nil, quiet(), c.now)
	require.NoError(t, err)
	require.NoError(t, verify(t, certs, "localhost", c.now()))
}

func TestBrokenCAIsNotOverwritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := LocalCertificates(dir, nil, quiet())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, caCertFile), []byte("no certificate"), 0o600))
	_, err = LocalCertificates(dir, nil, quiet())
	require.ErrorContains(t, err, "remove")
}

func TestFileCertificatesReload(t *testing.T) {
	t.Parallel()
	source, dir := t.TempDir(), t.TempDir()
	c := newClock()
	a, err := localCertificates(source, []string{"a.test"}, quiet(), c.now)
	require.NoError(t, err)
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	install := func() {
		for from, to := range map[string]string{leafCertFile: certFile, leafKeyFile: keyFile} {
			b, err := os.ReadFile(filepath.Join(source, from))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(to, b, 0o600))
		}
	}
	install()
	files := &certFiles{cert: certFile, key: keyFile}
	certs, err := newCertificates(files.load, "", quiet(), c.now)
	require.NoError(t, err)
	require.Equal(t, a.current().Certificate, certs.current().Certificate)

	b, err := localCertificates(source, []string{"b.test"}, quiet(), c.now)
	require.NoError(t, err)
	install()
	require.NoError(t, os.Chtimes(certFile, time.Time{}, c.now().Add(time.Hour)))
	require.Equal(t, a.current().Certificate, certs.current().Certificate, "looked at a moment ago")
	c.add(2 * time.Second)
	require.Equal(t, b.current().Certificate, certs.current().Certificate)

	require.NoError(t, os.WriteFile(certFile, []byte("half a file"), 0o600))
	c.add(2 * time.Second)
	require.Equal(t, b.current().Certificate, certs.current().Certificate, "a broken file leaves the old one")

	_, err = FileCertificates(filepath.Join(dir, "none.pem"), keyFile, quiet())
	require.ErrorContains(t, err, "none.pem")
	_, err = FileCertificates(filepath.Join(source, caCertFile), filepath.Join(source, caKeyFile), quiet())
	require.ErrorContains(t, err, "CA")
	require.Equal(t, uint16(tls.VersionTLS12), certs.Config().MinVersion)
}
