package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

const someBlob = "blob_aaaaaaaaaaaaaaaaaaaaaaaaaa"

// fakeBlobs keeps one blob, of tenant-001.
type fakeBlobs struct {
	mu    sync.Mutex
	data  []byte   // guarded by mu
	media string   // guarded by mu
	err   error    // guarded by mu: what the last upload ended with
	sizes []int    // guarded by mu: of what each read gave
	kept  bool     // guarded by mu
	gone  chan int // told when an upload has failed, where set
	read  func([]byte) io.Reader
}

func (b *fakeBlobs) PutBlob(_ context.Context, _, mediaType string, r io.Reader) (job.Blob, error) {
	var all []byte
	var sizes []int
	p := make([]byte, 256<<10)
	for {
		n, err := r.Read(p)
		all, sizes = append(all, p[:n]...), append(sizes, n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.mu.Lock()
			b.err = err
			b.mu.Unlock()
			if b.gone != nil {
				b.gone <- len(all)
			}
			return job.Blob{}, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.data, b.media, b.sizes, b.kept, b.err = all, mediaType, sizes, true, nil
	return b.blob(), nil
}

func (b *fakeBlobs) blob() job.Blob {
	return job.Blob{Ref: someBlob, ContentType: b.media, Size: int64(len(b.data)), SHA256: sha256.Sum256(b.data)}
}

func (b *fakeBlobs) OpenBlob(_ context.Context, tenantID, ref string) (job.Blob, io.Reader, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if tenantID != "tenant-001" || ref != someBlob || !b.kept {
		return job.Blob{}, nil, fault.New(fault.NotFound, "there is no such blob")
	}
	if b.read != nil {
		return b.blob(), b.read(b.data), nil
	}
	return b.blob(), bytes.NewReader(b.data), nil
}

func (b *fakeBlobs) DeleteBlob(ctx context.Context, tenantID, ref string) error {
	_, _, err := b.OpenBlob(ctx, tenantID, ref)
	if err == nil {
		b.mu.Lock()
		b.kept = false
		b.mu.Unlock()
	}
	return err
}

func startBlobs(t *testing.T, cfg Config) (*api, *fakeBlobs) {
	t.Helper()
	b := &fakeBlobs{}
	return start(t, cfg, func(d *Deps) { d.Blobs = b }), b
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// upload sends a body whose length the client tells, or not.
func (a *api) upload(t *testing.T, body io.Reader, length int64, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+a.tls+"/v1/blobs", body)
	require.NoError(t, err)
	req.ContentLength = length
	req.Header.Set("Authorization", "Bearer "+goodToken)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := a.client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return answer{res.StatusCode, res.Header, string(all)}
}

func TestABlobGoesInAndOut(t *testing.T) {
	t.Parallel()
	a, b := startBlobs(t, Config{})
	for _, size := range []int{0, 1, 5000, 9000, 3 << 20} {
		data := bytes.Repeat([]byte("x"), size)
		for _, length := range []int64{int64(size), -1} {
			if size == 0 && length < 0 {
				length = 0
			}
			got := a.upload(t, bytes.NewReader(data), length, "Content-Type", "image/png", "Content-Digest", digest(data), "Expect", "100-continue")
			require.Equal(t, 201, got.status, got.body)
			sum := sha256.Sum256(data)
			require.JSONEq(t, fmt.Sprintf(`{"ref":%q,"sha256":%q,"size":%d}`, someBlob, hex.EncodeToString(sum[:]), size), got.body)
			require.Equal(t, "/v1/blobs/"+someBlob, got.header.Get("Location"))
			for _, n := range b.sizes {
				require.LessOrEqual(t, n, 256<<10)
			}

			got = a.call(t, "GET", "/v1/blobs/"+someBlob, goodToken, "")
			require.Equal(t, 200, got.status)
			require.Len(t, got.body, size)
			require.Equal(t, "image/png", got.header.Get("Content-Type"))
			require.Equal(t, digest(data), got.header.Get("Content-Digest"))
			require.Equal(t, fmt.Sprintf("%q", hex.EncodeToString(sum[:])), got.header.Get("Etag"))
			require.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"))
			require.Equal(t, "attachment", got.header.Get("Content-Disposition"))

			head := a.call(t, "HEAD", "/v1/blobs/"+someBlob, goodToken, "")
			require.Equal(t, 200, head.status)
			require.Equal(t, strconv.Itoa(size), head.header.Get("Content-Length"))
			require.Empty(t, head.body)
		}
	}
	etag := a.call(t, "HEAD", "/v1/blobs/"+someBlob, goodToken, "").header.Get("Etag")
	require.Equal(t, 304, a.call(t, "GET", "/v1/blobs/"+someBlob, goodToken, "", "If-None-Match", `"x", W/`+etag).status)
	require.Equal(t, 200, a.call(t, "GET", "/v1/blobs/"+someBlob, goodToken, "", "If-None-Match", `"x"`).status)

	require.Equal(t, 204, a.call(t, "DELETE", "/v1/blobs/"+someBlob, goodToken, "").status)
	for _, method := range []string{"GET", "HEAD", "DELETE"} {
		require.Equal(t, 404, a.call(t, method, "/v1/blobs/"+someBlob, goodToken, "").status, method)
	}
	require.Equal(t, 403, a.upload(t, strings.NewReader("x"), 1, "Authorization", "Bearer "+bareToken).status)
}

func TestABlobWithoutATypeIsOctets(t *testing.T) {
	t.Parallel()
	a, _ := startBlobs(t, Config{})
	require.Equal(t, 201, a.upload(t, strings.NewReader("x"), 1).status)
	require.Equal(t, octets, a.call(t, "GET", "/v1/blobs/"+someBlob, goodToken, "").header.Get("Content-Type"))
}

func TestBadUploadsAreRefusedAndNotKept(t *testing.T) {
	t.Parallel()
	a, b := startBlobs(t, Config{MaxBlob: 1 << 20, MaxBody: 1000})
	big := bytes.Repeat([]byte("x"), 1<<20+1)
	for _, tc := range []struct {
		body    []byte
		length  int64
		headers []string
		status  int
		code    string
		field   string
	}{
		{big, int64(len(big)), nil, 413, "payload_too_large", ""},
		{big, -1, nil, 413, "payload_too_large", ""},
		{[]byte("abc"), 3, []string{"Content-Digest", digest([]byte("abd"))}, 422, "invalid_input", "Content-Digest"},
		{big[:1<<20], -1, []string{"Content-Digest", "sha-512=:AA==:, " + digest([]byte("abd"))}, 422, "invalid_input", "Content-Digest"},
		{[]byte("abc"), 3, []string{"Content-Digest", "sha-256=AAAA"}, 400, "bad_request", "Content-Digest"},
		{[]byte("abc"), 3, []string{"Content-Digest", "sha-256=:AAAA:"}, 400, "bad_request", "Content-Digest"},
		{[]byte("abc"), 3, []string{"Content-Type", "image/"}, 415, "unsupported_media_type", ""},
		{[]byte("abc"), 3, []string{"Content-Type", "text/plain; x=" + strings.Repeat("y", 300)}, 415, "unsupported_media_type", ""},
		{[]byte("abc"), 3, []string{"Content-Encoding", "gzip"}, 415, "unsupported_media_type", ""},
	} {
		got := a.upload(t, bytes.NewReader(tc.body), tc.length, tc.headers...)
		require.Equal(t, tc.status, got.status, got.body)
		require.Equal(t, tc.code, problemOf(t, got).Code)
		require.Equal(t, tc.field, problemOf(t, got).Field)
		require.False(t, b.kept)
	}
	require.Equal(t, 201, a.upload(t, bytes.NewReader(big[:1<<20]), 1<<20, "Content-Digest", "sha-512=:AA==:, "+digest(big[:1<<20])).status)
	// The other routes keep their own bound.
	require.Equal(t, 413, a.call(t, "POST", "/v1/jobs", goodToken, `{"model":"sleep","input":"`+strings.Repeat("x", 1000)+`"}`).status)
}

// A length that is too big is refused when the body has only begun.
func TestATooLargeLengthIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	a, b := startBlobs(t, Config{MaxBlob: 1 << 20})
	res, closed := exchange(t, a.plain, -1, "POST /v1/blobs HTTP/1.1\r\nHost: a\r\n"+auth+"Content-Length: 1048577\r\n\r\n"+strings.Repeat("x", prefetched))
	require.Len(t, res, 1)
	require.Equal(t, 413, res[0].status)
	require.True(t, closed)
	require.False(t, b.kept)
	require.NoError(t, b.err, "the store was not asked")
}

func TestABrokenOffUploadFails(t *testing.T) {
	t.Parallel()
	a, b := startBlobs(t, Config{HeadTimeout: 300 * time.Millisecond, BodyRate: 1 << 30})
	b.gone = make(chan int, 8)
	for _, raw := range []string{
		"Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 50_000),
		"Content-Length: 100\r\n\r\n" + strings.Repeat("x", 50),
		"Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n",
		"Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n",
		"Transfer-Encoding: chunked\r\n\r\n4\r\nabcdef\r\n0\r\n\r\n",
	} {
		for _, hangUp := range []bool{true, false} { // or fall silent
			var d net.Dialer
			c, err := d.DialContext(t.Context(), "tcp", a.plain)
			require.NoError(t, err)
			_, err = io.WriteString(c, "POST /v1/blobs HTTP/1.1\r\nHost: a\r\n"+auth+raw)
			require.NoError(t, err)
			if hangUp {
				require.NoError(t, c.Close())
			}
			if strings.Contains(raw, "h: 100\r") { // fasthttp reads a short body before it calls anybody
				_ = c.Close()
				continue
			}
			select {
			case <-b.gone:
			case <-time.After(10 * time.Second):
				require.Fail(t, "the upload goes on", raw)
			}
			_ = c.Close()
			b.mu.Lock()
			assert.False(t, b.kept, raw)
			b.mu.Unlock()
		}
	}
}

func TestABlobThatCannotBeReadEndsTheConnection(t *testing.T) {
	t.Parallel()
	a, b := startBlobs(t, Config{})
	require.Equal(t, 201, a.upload(t, bytes.NewReader(make([]byte, 100_000)), 100_000).status)
	b.read = func(data []byte) io.Reader {
		return io.MultiReader(bytes.NewReader(data[:50_000]), failing{errors.New("the disk is gone")})
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+a.tls+"/v1/blobs/"+someBlob, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+goodToken)
	res, err := a.client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	_, err = io.ReadAll(res.Body)
	require.Error(t, err)
	require.Eventually(t, func() bool { return strings.Contains(a.audit.String(), `"code":"internal"`) }, 5*time.Second, time.Millisecond)
	require.NotContains(t, a.audit.String(), "the disk is gone")
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestPredictSendsALargeOutputItself(t *testing.T) {
	t.Parallel()
	a, _ := startBlobs(t, Config{})
	output := `{"output":"` + strings.Repeat("x", 300<<10) + `"}`
	require.Equal(t, 201, a.upload(t, strings.NewReader(output), int64(len(output)), "Content-Type", "application/json").status)
	a.jobs.submit = func(context.Context, job.Request) (job.Submission, error) {
		return job.Submission{State: stateOf(someJob, job.Succeeded, string(job.RefTo(someBlob)))}, nil
	}
	got := a.call(t, "POST", "/api/predict", goodToken, `{"text":"a","schema":{"x":null}}`)
	require.Equal(t, 200, got.status)
	require.Equal(t, output, got.body)
	require.Equal(t, "application/json", got.header.Get("Content-Type"))

	got = a.call(t, "POST", "/v1/jobs", goodToken, sleepJob, "Prefer", "wait=1")
	require.Contains(t, got.body, `"output":{"$ref":"`+someBlob+`"}`)
}
