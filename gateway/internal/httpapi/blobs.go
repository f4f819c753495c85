package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"mime"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

const (
	headerDigest     = "Content-Digest"
	octets           = "application/octet-stream"
	longestMediaType = 255
)

// putBlob is POST /v1/blobs: the body is stored as it comes in, and never held whole.
func (k *call) putBlob() error {
	h := &k.rc.Request.Header
	if n := h.ContentLength(); n > k.s.cfg.MaxBlob {
		return k.blobTooLarge()
	}
	if enc := h.Peek(fiber.HeaderContentEncoding); len(enc) > 0 && !equalFold(enc, "identity") {
		return fault.New(fault.UnsupportedMediaType, "an encoded body is not taken")
	}
	media, err := mediaType(string(h.ContentType()))
	if err != nil {
		return err
	}
	u := &upload{k: k, r: k.bodyReader(), declared: h.ContentLength()}
	if u.want, err = digestOf(h.PeekAll(headerDigest)); err != nil {
		return err
	}
	if u.want != nil {
		u.sum = sha256.New()
	}
	blob, err := k.s.deps.Blobs.PutBlob(k.context(), k.tenant, media, u)
	if err != nil {
		return err
	}
	k.rc.Response.Header.Set(fiber.HeaderLocation, "/v1/blobs/"+blob.Ref)
	return k.value(fiber.StatusCreated, struct {
		Ref    string `json:"ref"`
		SHA256 string `json:"sha256"`
		Size   int64  `json:"size"`
	}{blob.Ref, hex.EncodeToString(blob.SHA256[:]), blob.Size})
}

func (k *call) blobTooLarge() error {
	return fault.New(fault.PayloadTooLarge, "a blob has at most %d bytes", k.s.cfg.MaxBlob)
}

// mediaType is what a blob says it is.
func mediaType(v string) (string, error) {
	if v == "" {
		return octets, nil
	}
	if _, _, err := mime.ParseMediaType(v); err != nil || len(v) > longestMediaType {
		return "", fault.New(fault.UnsupportedMediaType, "the content type is malformed")
	}
	return strings.Clone(v), nil
}

// digestOf reads the SHA-256 of a Content-Digest field, sha-256=:BASE64:; nil where it names none. Others are not looked at.
func digestOf(fields [][]byte) (sum []byte, err error) {
	for _, field := range fields {
		for member := range bytes.SplitSeq(field, []byte{','}) {
			name, v, _ := bytes.Cut(trimSpace(member), []byte{'='})
			if !equalFold(name, "sha-256") {
				continue
			}
			if len(v) > 2 && v[0] == ':' && v[len(v)-1] == ':' {
				sum, err = base64.StdEncoding.DecodeString(string(v[1 : len(v)-1]))
			}
			if err != nil || len(sum) != sha256.Size {
				return nil, badParam(headerDigest, "is not of the form sha-256=:BASE64:")
			}
		}
	}
	return sum, nil
}

// upload is a body on its way to the store. At its end it proves length and digest, so that a body that is not as it was
// meant fails as one that broke off. Its errors are faults.
type upload struct {
	k        *call
	r        io.Reader
	declared int // bytes; negative where the head tells none
	got      int
	want     []byte
	sum      hash.Hash // nil where no digest is wanted
}

// Read gives what has come in.
func (u *upload) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	if u.got += n; u.got > u.k.s.cfg.MaxBlob {
		return 0, u.k.blobTooLarge()
	}
	if u.sum != nil {
		u.sum.Write(p[:n])
	}
	if err == nil {
		return n, nil
	}
	if !errors.Is(err, io.EOF) {
		return 0, u.k.bodyFault(err)
	}
	c := u.k.conn
	if u.declared > u.got || u.declared < 0 && c != nil && c.at != inHead { // fasthttp takes a broken trailer for the end
		return 0, u.k.bodyFault(io.ErrUnexpectedEOF)
	}
	u.k.bodyEnd()
	if u.sum != nil && !bytes.Equal(u.sum.Sum(nil), u.want) {
		return 0, fault.Invalid(headerDigest, "is not the digest of the body that arrived")
	}
	return n, io.EOF
}

// getBlob is GET /v1/blobs/{ref}.
func (k *call) getBlob() error {
	blob, r, err := k.s.deps.Blobs.OpenBlob(k.context(), k.tenant, k.pathPart("ref"))
	if err != nil {
		return err
	}
	etag := `"` + hex.EncodeToString(blob.SHA256[:]) + `"`
	h := &k.rc.Response.Header
	h.Set(fiber.HeaderETag, etag)
	h.Set(fiber.HeaderCacheControl, "private, no-cache") // it may be kept, if it is asked for each time
	h.Set(headerDigest, "sha-256=:"+base64.StdEncoding.EncodeToString(blob.SHA256[:])+":")
	if matches(k.header(fiber.HeaderIfNoneMatch), etag) {
		k.rc.Response.SetStatusCode(fiber.StatusNotModified)
		return nil
	}
	h.SetContentType(blob.ContentType)
	h.Set(fiber.HeaderContentDisposition, "attachment") // what a tenant uploaded is no page of ours
	if k.c.Method() == fiber.MethodHead {
		h.SetContentLength(int(blob.Size))
		k.rc.Response.SkipBody = true
		return nil
	}
	k.sendBlob(&blob, r)
	return nil
}

// matches tells whether an If-None-Match field names the entity.
func matches(field, etag string) bool {
	for one := range strings.SplitSeq(field, ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == etag || one == "*" {
			return true
		}
	}
	return false
}

// sendBlob makes an opened blob the body of the response.
func (k *call) sendBlob(blob *job.Blob, r io.Reader) {
	k.rc.Response.Header.SetContentType(blob.ContentType)
	if blob.Size == 0 {
		return
	}
	k.late = true
	k.rc.Response.SetBodyStream(&blobBody{
		record: k.record, r: r, conn: k.conn, cancel: k.cancel, left: blob.Size, since: time.Now(),
		grace: k.s.cfg.WriteTimeout, rate: k.s.cfg.BodyRate, s: k.s,
	}, int(blob.Size))
}

// blobBody is a response body that fasthttp reads in the connection's own goroutine. Its reader must take it at
// Config.BodyRate at least.
type blobBody struct {
	*record
	s      *Server
	r      io.Reader
	conn   *conn
	cancel context.CancelCauseFunc
	since  time.Time
	grace  time.Duration
	rate   int64
	sent   int64
	left   int64
	closed bool
}

// Read gives the next bytes, and moves the write deadline on.
func (b *blobBody) Read(p []byte) (int, error) {
	if b.conn != nil {
		earned := time.Duration(float64(b.sent) / float64(b.rate) * float64(time.Second))
		if err := b.conn.SetWriteDeadline(b.since.Add(b.grace + earned)); err != nil {
			return 0, err
		}
	}
	n, err := b.r.Read(p)
	b.sent += int64(n)
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		b.code, b.cause = fault.CodeOf(err), err
	}
	return n, err
}

// Close ends the call.
func (b *blobBody) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	b.cancel(nil)
	if b.left > 0 && b.cause == nil {
		b.code = codeClientGone
	}
	b.s.audit(b.record)
	return nil
}

// deleteBlob is DELETE /v1/blobs/{ref}.
func (k *call) deleteBlob() error {
	if err := k.s.deps.Blobs.DeleteBlob(k.context(), k.tenant, k.pathPart("ref")); err != nil {
		return err
	}
	k.rc.Response.SetStatusCode(fiber.StatusNoContent)
	return nil
}
