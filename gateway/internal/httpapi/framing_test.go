package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// exchange writes raw bytes in pieces, each in its own packet as far as the kernel allows, and reads all responses until the
// server closes, or as many as want says.
func exchange(t *testing.T, addr string, want int, pieces ...string) (res []answer, closed bool) {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", addr)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	for _, p := range pieces {
		if _, err := io.WriteString(c, p); err != nil {
			break // refused already
		}
	}
	br := bufio.NewReader(c)
	for want < 0 || len(res) < want {
		r, err := http.ReadResponse(br, nil)
		if err != nil {
			return res, true
		}
		b, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.NoError(t, r.Body.Close())
		res = append(res, answer{r.StatusCode, r.Header, string(b)})
		if r.Close {
			r.Header.Set("Connection", "close") // ReadResponse takes it out
			res[len(res)-1].header = r.Header
			_, err = br.ReadByte()
			return res, err != nil && !isTimeout(err)
		}
	}
	return res, false
}

const auth = "Authorization: Bearer " + goodToken + "\r\n"

// ambiguous holds messages that two readers could take differently, or that are no HTTP/1.
func ambiguous() map[string]string {
	post := func(headers, body string) string {
		return "POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + auth + headers + "\r\n" + body
	}
	get := func(line, headers string) string { return line + "\r\n" + headers + "\r\n" }
	return map[string]string{
		"two different Content-Lengths":      post("Content-Length: 2\r\nContent-Length: 3\r\n", "{} "),
		"two equal Content-Lengths":          post("Content-Length: 2\r\nContent-Length: 2\r\n", "{}"),
		"a list of equal Content-Lengths":    post("Content-Length: 2, 2\r\n", "{}"),
		"Content-Length with a sign":         post("Content-Length: +2\r\n", "{}"),
		"negative Content-Length":            post("Content-Length: -2\r\n", "{}"),
		"hexadecimal Content-Length":         post("Content-Length: 0x2\r\n", "{}"),
		"Content-Length with a space inside": post("Content-Length: 1 0\r\n", "{}"),
		"Content-Length out of range":        post("Content-Length: 99999999999999999999\r\n", "{}"),
		"empty Content-Length":               post("Content-Length:\r\n", ""),
		"two Transfer-Encodings":             post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"),
		"chunked twice":                      post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
		"identity":                           post("Transfer-Encoding: identity\r\nContent-Length: 2\r\n", "{}"),
		"identity alone":                     post("Transfer-Encoding: identity\r\n", ""),
		"gzip, chunked":                      post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
		"chunked, gzip":                      post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"),
		"xchunked":                           post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
		"chunked with a vertical tab":        post("Transfer-Encoding: \vchunked\r\n", "0\r\n\r\n"),
		"quoted chunked":                     post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"),
		"length and chunked":                 post("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
		"chunked and length":                 post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
		"chunked in HTTP/1.0":                "POST /v1/jobs HTTP/1.0\r\nHost: a\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"space before the colon":             post("Content-Length : 2\r\n", "{}"),
		"tab before the colon":               post("Transfer-Encoding\t: chunked\r\n", "0\r\n\r\n"),
		"folded line":                        post("X-A: b\r\n c\r\nContent-Length: 2\r\n", "{}"),
		"folded Transfer-Encoding":           post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"),
		"first header folded":                "GET /healthz HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n",
		"NUL in a value":                     get("GET /healthz HTTP/1.1", "Host: a\r\nX-A: b\x00c\r\n"),
		"NUL in a name":                      get("GET /healthz HTTP/1.1", "Host: a\r\nX\x00A: b\r\n"),
		"control in a value":                 get("GET /healthz HTTP/1.1", "Host: a\r\nX-A: b\x01\r\n"),
		"DEL in a value":                     get("GET /healthz HTTP/1.1", "Host: a\r\nX-A: b\x7f\r\n"),
		"bare CR in a value":                 get("GET /healthz HTTP/1.1", "Host: a\r\nX-A: b\rContent-Length: 5\r\n"),
		"bare LF ends a line":                "GET /healthz HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n",
		"bare LF ends all lines":             "GET /healthz HTTP/1.1\nHost: a\n\n",
		"bare LF ends the head":              "GET /healthz HTTP/1.1\r\nHost: a\r\n\n",
		"no colon":                           get("GET /healthz HTTP/1.1", "Host: a\r\nX-A\r\n"),
		"no name":                            get("GET /healthz HTTP/1.1", "Host: a\r\n: b\r\n"),
		"name that is no token":              get("GET /healthz HTTP/1.1", "Host: a\r\nX(A): b\r\n"),
		"name with 8 bits":                   get("GET /healthz HTTP/1.1", "Host: a\r\nX-Ä: b\r\n"),
		"two Hosts":                          get("GET /healthz HTTP/1.1", "Host: a\r\nHost: b\r\n"),
		"two equal Hosts":                    get("GET /healthz HTTP/1.1", "Host: a\r\nHost: a\r\n"),
		"no Host":                            get("GET /healthz HTTP/1.1", "X-A: b\r\n"),
		"empty Host":                         get("GET /healthz HTTP/1.1", "Host:\r\n"),
		"Host with a path":                   get("GET /healthz HTTP/1.1", "Host: a/b\r\n"),
		"Host with a user":                   get("GET /healthz HTTP/1.1", "Host: u@a\r\n"),
		"Host with a list":                   get("GET /healthz HTTP/1.1", "Host: a, b\r\n"),
		"Host with a bad port":               get("GET /healthz HTTP/1.1", "Host: a:99999\r\n"),
		"Host with an open bracket":          get("GET /healthz HTTP/1.1", "Host: [::1\r\n"),
		"absolute target, other Host":        get("GET http://b/healthz HTTP/1.1", "Host: a\r\n"),
		"absolute target, no Host":           get("GET http://a/healthz HTTP/1.1", ""),
		"absolute target with a user":        get("GET http://u@a/healthz HTTP/1.1", "Host: a\r\n"),
		"absolute target, odd scheme":        get("GET ftp://a/healthz HTTP/1.1", "Host: a\r\n"),
		"target without a slash":             get("GET healthz HTTP/1.1", "Host: a\r\n"),
		"star for GET":                       get("GET * HTTP/1.1", "Host: a\r\n"),
		"CONNECT":                            get("CONNECT a:443 HTTP/1.1", "Host: a:443\r\n"),
		"fragment in the target":             get("GET /healthz#a HTTP/1.1", "Host: a\r\n"),
		"NUL in the target":                  get("GET /healthz\x00 HTTP/1.1", "Host: a\r\n"),
		"8 bits in the target":               get("GET /healthz\xff HTTP/1.1", "Host: a\r\n"),
		"broken percent in the target":       get("GET /healthz%4 HTTP/1.1", "Host: a\r\n"),
		"space in the target":                get("GET /health z HTTP/1.1", "Host: a\r\n"),
		"two spaces after the method":        get("GET  /healthz HTTP/1.1", "Host: a\r\n"),
		"tab in the request line":            get("GET\t/healthz HTTP/1.1", "Host: a\r\n"),
		"space at the line's end":            get("GET /healthz HTTP/1.1 ", "Host: a\r\n"),
		"no version":                         get("GET /healthz", "Host: a\r\n"),
		"HTTP/9.9":                           get("GET /healthz HTTP/9.9", "Host: a\r\n"),
		"HTTP/2.0 preface":                   "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"HTTP/1.2":                           get("GET /healthz HTTP/1.2", "Host: a\r\n"),
		"HTTP/0.9":                           "GET /healthz\r\n\r\n",
		"http in small letters":              get("GET /healthz http/1.1", "Host: a\r\n"),
		"HTTP/1.10":                          get("GET /healthz HTTP/1.10", "Host: a\r\n"),
		"method that is no token":            get("G@T /healthz HTTP/1.1", "Host: a\r\n"),
		"long method":                        get(strings.Repeat("G", 40)+" /healthz HTTP/1.1", "Host: a\r\n"),
		"GET with a body":                    get("GET /healthz HTTP/1.1", "Host: a\r\nContent-Length: 5\r\n") + "hello",
		"GET with chunks":                    get("GET /healthz HTTP/1.1", "Host: a\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
		"two Authorizations":                 get("GET /v1/models HTTP/1.1", "Host: a\r\n"+auth+auth),
		"two Content-Types":                  post("Content-Type: text/plain\r\nContent-Length: 2\r\n", "{}"),
		"TLS on a plain listener":            "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"too many empty lines":               "\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
		"chunk size not hexadecimal":         post("Transfer-Encoding: chunked\r\n", "z\r\n{}\r\n0\r\n\r\n"),
		"chunk size with 0x":                 post("Transfer-Encoding: chunked\r\n", "0x2\r\n{}\r\n0\r\n\r\n"),
		"chunk size with a sign":             post("Transfer-Encoding: chunked\r\n", "+2\r\n{}\r\n0\r\n\r\n"),
		"chunk size with a space":            post("Transfer-Encoding: chunked\r\n", "2 \r\n{}\r\n0\r\n\r\n"),
		"chunk size out of range":            post("Transfer-Encoding: chunked\r\n", "ffffffffffffffff1\r\n{}\r\n0\r\n\r\n"),
		"chunk size empty":                   post("Transfer-Encoding: chunked\r\n", "\r\n{}\r\n0\r\n\r\n"),
		"chunk size line ends in LF":         post("Transfer-Encoding: chunked\r\n", "2\n{}\r\n0\r\n\r\n"),
		"chunk shorter than its data":        post("Transfer-Encoding: chunked\r\n", "1\r\n{}\r\n0\r\n\r\n"),
		"chunk without CR LF":                post("Transfer-Encoding: chunked\r\n", "2\r\n{}0\r\n\r\n"),
		"chunk extension with LF":            post("Transfer-Encoding: chunked\r\n", "2;a\nb\r\n{}\r\n0\r\n\r\n"),
		"last chunk ends in LF":              post("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\n"),
		"trailer that frames":                post("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n"),
		"trailer that authenticates":         post("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\nAuthorization: x\r\n\r\n"),
		"trailer folded":                     post("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\nX-A: b\r\n c\r\n\r\n"),
	}
}

func TestAmbiguousMessagesAreRefused(t *testing.T) {
	t.Parallel()
	a := start(t, Config{})
	table := ambiguous()
	require.GreaterOrEqual(t, len(table), 29)
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	const first = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
	check := func(t *testing.T, res []answer, closed bool) {
		t.Helper()
		require.NotEmpty(t, res)
		last := res[len(res)-1]
		require.Equal(t, 400, last.status, last.body)
		require.Equal(t, "bad_request", problemOf(t, last).Code)
		require.True(t, closed, "the connection goes on")
	}
	for name, raw := range table {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, closed := exchange(t, a.plain, -1, raw+smuggled)
			require.Len(t, res, 1)
			check(t, res, closed)

			res, closed = exchange(t, a.plain, -1, first+first+raw+smuggled) // pipelined behind good ones
			require.Len(t, res, 3)
			require.Equal(t, 200, res[0].status)
			require.Equal(t, 200, res[1].status)
			check(t, res, closed)

			pieces := make([]string, 0, len(raw)) // byte by byte
			for i := range len(raw) {
				pieces = append(pieces, raw[i:i+1])
			}
			res, closed = exchange(t, a.plain, -1, pieces...)
			require.Len(t, res, 1)
			check(t, res, closed)
		})
	}
}

func TestValidMessagesAreServed(t *testing.T) {
	t.Parallel()
	a := start(t, Config{})
	const body = `{"model":"sleep","input":{}}`
	post := func(headers, body string) string {
		return "POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + auth + headers + "\r\n" + body
	}
	half := len(body) / 2
	chunks := fmt.Sprintf("%x\r\n%s\r\n%X\r\n%s\r\n", half, body[:half], len(body)-half, body[half:])
	big := `{"model":"sleep","input":"` + strings.Repeat("x", 50_000) + `"}`
	length := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	table := map[string]struct {
		raw    string
		status int
	}{
		"plain GET":              {"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 200},
		"Host with a port":       {"GET /healthz HTTP/1.1\r\nHost: localhost:8443\r\n\r\n", 200},
		"Host in IPv6":           {"GET /healthz HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n", 200},
		"odd spelling":           {"GET /healthz HTTP/1.1\r\nhOST:a\r\n\r\n", 200},
		"white space":            {"GET /healthz HTTP/1.1\r\nHost: \t a \t \r\nX-A:\t\r\n\r\n", 200},
		"8 bits in a value":      {"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: \xc3\xa4\xff\r\n\r\n", 200},
		"empty value":            {"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A:\r\n\r\n", 200},
		"absolute target":        {"GET http://A/healthz HTTP/1.1\r\nHost: a\r\n\r\n", 200},
		"zero length GET":        {"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 200},
		"an empty line before":   {"\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 200},
		"query":                  {"GET /v1/jobs?limit=5&model=a%2Db HTTP/1.1\r\nHost: a\r\n" + auth + "\r\n", 200},
		"OPTIONS star":           {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404},
		"length":                 {post(length, body), 202},
		"chunked":                {post("Transfer-Encoding: chunked\r\n", chunks+"0\r\n\r\n"), 202},
		"CHUNKED":                {post("transfer-encoding: CHUNKED\r\n", chunks+"0\r\n\r\n"), 202},
		"chunks with extensions": {post("Transfer-Encoding: chunked\r\n", strings.ReplaceAll(chunks, "\r\n{", ";a=b\r\n{")+"000;x\r\n\r\n"), 202},
		"chunks with a trailer":  {post("Transfer-Encoding: chunked\r\n", chunks+"0\r\nX-Sum: abc\r\n\r\n"), 202},
		"chunked, refused early": {strings.Replace(post("Transfer-Encoding: chunked\r\n", chunks+"0\r\n\r\n"), goodToken, "wrong", 1), 401},
		"a longer body":          {post(fmt.Sprintf("Content-Length: %d\r\n", len(big)), big), 202},
		"a longer chunk":         {post("Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(big), big)), 202},
		"a long head":            {"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: " + strings.Repeat("a", 12<<10) + "\r\n\r\n", 200},
		"refused early, in sync": {strings.Replace(post(length, body), goodToken, "wrong", 1), 401},
	}
	const last = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
	for name, tc := range table {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, _ := exchange(t, a.plain, 1, tc.raw)
			require.Len(t, res, 1)
			require.Equal(t, tc.status, res[0].status, res[0].body)

			if name == "chunked, refused early" {
				return // closes, as the rest of the body is not waited for
			}
			res, _ = exchange(t, a.plain, 3, tc.raw+tc.raw+last) // pipelined
			require.Len(t, res, 3)
			require.Equal(t, []int{tc.status, tc.status, 200}, []int{res[0].status, res[1].status, res[2].status})

			if len(tc.raw) > 1000 {
				return
			}
			var pieces []string
			for i := range len(tc.raw + last) {
				pieces = append(pieces, (tc.raw + last)[i:i+1])
			}
			res, _ = exchange(t, a.plain, 2, pieces...) // byte by byte
			require.Len(t, res, 2)
			require.Equal(t, []int{tc.status, 200}, []int{res[0].status, res[1].status})
		})
	}
}

func TestHTTP10(t *testing.T) {
	t.Parallel()
	a := start(t, Config{})
	res, closed := exchange(t, a.plain, -1, "GET /healthz HTTP/1.0\r\n\r\n")
	require.Len(t, res, 1)
	require.Equal(t, 200, res[0].status)
	require.True(t, closed)
	res, closed = exchange(t, a.plain, -1, "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /healthz HTTP/1.0\r\n\r\n")
	require.Len(t, res, 2)
	require.True(t, closed)
}

func TestConnectionCloseInAnySpelling(t *testing.T) {
	t.Parallel()
	a := start(t, Config{})
	for _, v := range []string{"close", "Close", "keep-alive, close", "CLOSE ,x"} {
		res, closed := exchange(t, a.plain, -1, "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: "+v+"\r\n\r\n")
		require.Len(t, res, 1, v)
		require.Equal(t, "close", strings.ToLower(res[0].header.Get("Connection")), v)
		require.True(t, closed, v)
	}
}

func TestTooLongHeads(t *testing.T) {
	t.Parallel()
	a := start(t, Config{})
	for name, raw := range map[string]string{
		"one field":   "GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: " + strings.Repeat("a", 17<<10) + "\r\n\r\n",
		"many fields": "GET /healthz HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X-A: b\r\n", 200) + "\r\n",
		"no end":      "GET /" + strings.Repeat("a", 20<<10),
	} {
		res, closed := exchange(t, a.plain, -1, raw)
		require.Len(t, res, 1, name)
		require.Equal(t, 431, res[0].status, name)
		require.Equal(t, "head_too_large", problemOf(t, res[0]).Code)
		require.True(t, closed, name)
	}
}

func TestSlowHeadsAndBodiesEnd(t *testing.T) {
	t.Parallel()
	a := start(t, Config{HeadTimeout: 150 * time.Millisecond})
	const good = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
	for name, raw := range map[string]string{
		"nothing":       "",
		"half a head":   "GET /healthz HTTP/1.1\r\nHost: a\r\n",
		"half a body":   "POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + auth + "Content-Length: 20\r\n\r\n{",
		"half a chunk":  "POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\n5\r\n{",
		"half a second": good + "GET /hea",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, closed := exchange(t, a.plain, -1, raw)
			require.True(t, closed)
			require.NotEmpty(t, res)
			require.Equal(t, 408, res[len(res)-1].status)
		})
	}
}

func TestIdleConnectionsEndQuietly(t *testing.T) {
	t.Parallel()
	a := start(t, Config{IdleTimeout: 50 * time.Millisecond})
	res, closed := exchange(t, a.plain, -1, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
	require.Len(t, res, 1)
	require.True(t, closed)
}

func TestConnectionsOfOneAddressAreBounded(t *testing.T) {
	t.Parallel()
	a := start(t, Config{MaxConnsPer: 2})
	const ask = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
	var open []net.Conn
	for range 2 {
		var d net.Dialer
		c, err := d.DialContext(t.Context(), "tcp", a.plain)
		require.NoError(t, err)
		defer c.Close()
		_, err = io.WriteString(c, ask)
		require.NoError(t, err)
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		open = append(open, c)
	}
	res, _ := exchange(t, a.plain, 1, ask)
	require.Empty(t, res)
	require.NoError(t, open[0].Close())
	require.Eventually(t, func() bool {
		res, _ := exchange(t, a.plain, 1, ask)
		return len(res) == 1
	}, 5*time.Second, 10*time.Millisecond)
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	a := start(t, Config{})
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", a.plain)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	br := bufio.NewReader(c)
	for range 2 {
		_, err = io.WriteString(c, "POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"+auth+
			"Content-Length: 35\r\n\r\n")
		require.NoError(t, err)
		line, err := br.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "HTTP/1.1 100 Continue\r\n", line)
		_, err = br.ReadString('\n')
		require.NoError(t, err)
		_, err = io.WriteString(c, sleepJob)
		require.NoError(t, err)
		res, err := http.ReadResponse(br, nil)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, res.Body)
		require.NoError(t, res.Body.Close())
		require.Equal(t, 202, res.StatusCode)
	}
}

// What a head declares must not be allocated before it comes.
//
//nolint:paralleltest // it measures the heap
func TestDeclaredLengthsCostNothing(t *testing.T) {
	a := start(t, Config{MaxBody: 64 << 20})
	const n = 200
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var open []net.Conn
	for range n {
		var d net.Dialer
		c, err := d.DialContext(t.Context(), "tcp", a.plain)
		require.NoError(t, err)
		defer c.Close()
		_, err = io.WriteString(c, "POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"+auth+"Content-Length: 60000000\r\n\r\n"+
			strings.Repeat(" ", 10<<10))
		require.NoError(t, err)
		open = append(open, c)
	}
	require.Eventually(t, func() bool { return a.conns.len() >= n }, 10*time.Second, time.Millisecond)
	timer := time.NewTimer(100 * time.Millisecond) // the handlers read what has come
	<-timer.C
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n
	t.Logf("%d bytes of heap for each connection that declared 60 MB and sent 10 KiB", each)
	require.Less(t, each, int64(256<<10))
	for _, c := range open {
		require.NoError(t, c.Close())
	}
}
