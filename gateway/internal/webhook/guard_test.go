package webhook

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

func TestTheGuardLetsPublicAddressesThroughOnly(t *testing.T) {
	t.Parallel()
	strict := &guard{}
	for _, a := range []string{
		"8.8.8.8", "1.1.1.1", "93.184.216.34", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.0.1.1",
		"2606:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888", "2400:cb00::1",
	} {
		assert.True(t, strict.permits(netip.MustParseAddr(a), false), a)
		assert.False(t, strict.permits(netip.MustParseAddr(a), true), "no plain HTTP: %s", a)
	}
	for _, a := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.9.9.9",
		"169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1",
		"198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:8.8.8.8", "::ffff:10.0.0.1", "::8.8.8.8", "64:ff9b::808:808", "64:ff9b:1::1", "100::1",
		"2001::1", "2001:2::1", "2001:20::1", "2001:db8::1", "2002:a00:1::1", "3fff::1", "5f00::1", "fc00::1", "fd12:3456::1",
		"fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "4000::1", "2606:4700::1111%eth0",
	} {
		assert.False(t, strict.permits(netip.MustParseAddr(a), false), a)
	}
	assert.False(t, strict.permits(netip.Addr{}, false))

	open := &guard{allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}, loopback: true}
	for a, want := range map[string][2]bool{ // over TLS, plain
		"10.1.2.3": {true, false}, "10.2.0.1": {}, "::ffff:10.1.2.3": {}, "fd00::1": {true, false}, "fc00::1": {},
		"127.0.0.1": {true, true}, "::1": {true, true}, "192.168.1.1": {}, "8.8.8.8": {true, false},
	} {
		assert.Equal(t, want, [2]bool{open.permits(netip.MustParseAddr(a), false), open.permits(netip.MustParseAddr(a), true)}, a)
	}
}

func TestControlSeesTheResolvedAddress(t *testing.T) {
	t.Parallel()
	control := (&guard{}).control(false)
	assert.NoError(t, control("tcp4", "8.8.8.8:443", nil))
	assert.NoError(t, control("tcp6", "[2606:4700::1111]:443", nil))
	for _, c := range [][2]string{
		{"tcp4", "127.0.0.1:443"}, {"tcp6", "[::1]:443"}, {"tcp6", "[fe80::1%lo]:443"}, {"udp4", "8.8.8.8:443"}, {"unix", "/run/x"}, {"tcp4", "8.8.8.8"},
	} {
		assert.ErrorIs(t, control(c[0], c[1], nil), errForbidden, c)
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	production, development := &guard{}, &guard{loopback: true}
	for url, want := range map[string][2]bool{ // taken in production, in development
		"https://example.com":                   {true, true},
		"https://example.com/hook?a=1&b=%20":    {true, true},
		"https://EXAMPLE.com:8443/":             {true, true},
		"https://example.com:443":               {true, true},
		"https://8.8.8.8/":                      {true, true},
		"https://[2606:4700::1111]:9000/":       {true, true},
		"https://a-b_c.example.com./":           {true, true},
		"https://127.0.0.1:8443/":               {false, true},
		"https://localhost/":                    {false, true},
		"https://x.localhost/":                  {false, true},
		"http://localhost:8080/":                {false, true},
		"http://127.0.0.1:1234/x":               {false, true},
		"http://[::1]/":                         {false, true},
		"http://example.com/":                   {},
		"http://10.0.0.1/":                      {},
		"https://10.0.0.1/":                     {},
		"https://[::ffff:127.0.0.1]/":           {},
		"https://[fe80::1%25eth0]/":             {},
		"https://0/":                            {},
		"https://127.1/":                        {},
		"https://2130706433/":                   {},
		"https://0x7f000001/":                   {},
		"https://0x7f.1/":                       {},
		"https://example.com.:25/":              {},
		"https://example.com:22/":               {},
		"https://example.com:0/":                {},
		"https://example.com:70000/":            {},
		"https://example.com:/":                 {},
		"https://example.com:https/":            {},
		"https://me@example.com/":               {},
		"https://me:you@example.com/":           {},
		"https://@example.com/":                 {},
		"https://example.com/#":                 {},
		"https://example.com/#part":             {},
		"https://exa mple.com/":                 {},
		"https://example.com/a b":               {},
		"https://example.com/\r\nHost: x":       {},
		"https://пример.рф/":                    {},
		"https://ex%61mple.com/":                {},
		"https://example..com/":                 {},
		"https://":                              {},
		"https:///x":                            {},
		"https:example.com":                     {},
		"//example.com/":                        {},
		"example.com":                           {},
		"file:///etc/passwd":                    {},
		"gopher://example.com/":                 {},
		"unix:///run/docker.sock":               {},
		"":                                      {},
		"https://example.com/" + longText(3000): {},
	} {
		for i, g := range []*guard{production, development} {
			err := g.checkURL(url)
			assert.Equal(t, want[i], err == nil, "%s %v", url, err)
			if err != nil {
				assert.Equal(t, fault.InvalidInput, fault.CodeOf(err))
				assert.Equal(t, "webhook.url", fault.From(err).Field)
			}
		}
	}
}

func longText(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a'
	}
	return string(b)
}

func TestAFaultOfAWebhookNamesItsMember(t *testing.T) {
	t.Parallel()
	const good = job.Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	s := New(Config{}, nil, nil)
	for field, w := range map[string]job.Webhook{
		"":                  {URL: "https://example.com", Secrets: []job.Secret{good, good}, Events: []string{"started", "output", "error", "done"}},
		"webhook.url":       {URL: "https://10.0.0.1", Secrets: []job.Secret{good}, Events: []string{"done"}},
		"webhook.secret":    {URL: "https://example.com", Secrets: []job.Secret{"bad"}, Events: []string{"done"}},
		"webhook.secret[1]": {URL: "https://example.com", Secrets: []job.Secret{good, "bad"}, Events: []string{"done"}},
		"webhook.events":    {URL: "https://example.com", Secrets: []job.Secret{good}},
		"webhook.events[0]": {URL: "https://example.com", Secrets: []job.Secret{good}, Events: []string{"status"}},
		"webhook.events[1]": {URL: "https://example.com", Secrets: []job.Secret{good}, Events: []string{"done", "done"}},
	} {
		err := s.Check(&w)
		if field == "" {
			require.NoError(t, err)
			continue
		}
		assert.Equal(t, field, fault.From(err).Field)
		assert.NotContains(t, err.Error(), string(good))
	}
	many := job.Webhook{URL: "https://example.com", Secrets: []job.Secret{good, good, good, good}, Events: []string{"done"}}
	assert.Equal(t, "webhook.secret", fault.From(s.Check(&many)).Field)
	none := job.Webhook{URL: "https://example.com", Events: []string{"done"}}
	assert.Equal(t, "webhook.secret", fault.From(s.Check(&none)).Field)
}

func FuzzURL(f *testing.F) {
	for _, u := range []string{"https://example.com/x?y#z", "http://[::1]:80", "https://a@b:1/", "https://0x7f.1", "https://:@x"} {
		f.Add(u)
	}
	g := &guard{}
	f.Fuzz(func(t *testing.T, text string) {
		if err := g.checkURL(text); err == nil {
			assert.Regexp(t, `^(?i)https://[^@#]+$`, text)
		}
	})
}
