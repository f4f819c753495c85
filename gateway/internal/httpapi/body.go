package httpapi

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/rawjson"
)

// jsonBody reads the body and proves it strict JSON. The bytes are the caller's own to keep.
func (k *call) jsonBody() ([]byte, error) {
	if err := k.jsonType(); err != nil {
		return nil, err
	}
	b, err := k.body()
	if err != nil {
		return nil, err
	}
	if err := rawjson.Check(b); err != nil {
		return nil, err
	}
	return rawjson.Trim(b), nil
}

// hasBody tells whether the message carries a body at all.
func (k *call) hasBody() bool { return k.rc.Request.Header.ContentLength() != 0 }

// jsonType takes application/json and application/*+json in UTF-8, not encoded.
func (k *call) jsonType() error {
	h := &k.rc.Request.Header
	if enc := h.Peek(fiber.HeaderContentEncoding); len(enc) > 0 && !equalFold(enc, "identity") {
		return fault.New(fault.UnsupportedMediaType, "an encoded body is not taken")
	}
	ct := h.ContentType()
	if string(ct) == "application/json" {
		return nil
	}
	media, params, err := mime.ParseMediaType(string(ct))
	switch {
	case len(ct) == 0:
		return fault.New(fault.UnsupportedMediaType, "the request names no content type; application/json is taken")
	case err != nil:
		return fault.New(fault.UnsupportedMediaType, "the content type is malformed")
	case media != "application/json" && (!strings.HasPrefix(media, "application/") || !strings.HasSuffix(media, "+json")):
		return fault.New(fault.UnsupportedMediaType, "only application/json is taken")
	}
	if cs, ok := params["charset"]; ok && !strings.EqualFold(cs, "utf-8") && !strings.EqualFold(cs, "utf8") {
		return fault.New(fault.UnsupportedMediaType, "only UTF-8 is taken")
	}
	return nil
}

// body reads the body to its end and counts it. What a head declares is not allocated before it comes.
func (k *call) body() ([]byte, error) {
	n, limit := k.rc.Request.Header.ContentLength(), k.s.cfg.MaxBody
	if n > limit {
		return nil, k.tooLarge()
	}
	if n == 0 {
		return nil, nil
	}
	r := k.bodyReader()
	if n > 0 && n <= 64<<10 {
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, k.bodyFault(err)
		}
		k.bodyEnd()
		return b, nil
	}
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(io.LimitReader(r, int64(limit)+1)); err != nil {
		return nil, k.bodyFault(err)
	}
	if buf.Len() > limit {
		return nil, k.tooLarge()
	}
	if n > 0 && buf.Len() < n || n < 0 && k.conn != nil && k.conn.at != inHead {
		return nil, k.bodyFault(io.ErrUnexpectedEOF) // fasthttp takes a broken trailer for the end
	}
	k.bodyEnd()
	return buf.Bytes(), nil
}

// bodyReader is the body as it comes in. What fasthttp has not read yet must come at Config.BodyRate at least.
func (k *call) bodyReader() io.Reader {
	r := k.rc.RequestBodyStream()
	if r == nil {
		return bytes.NewReader(k.rc.Request.Body())
	}
	if n := k.rc.Request.Header.ContentLength(); k.conn == nil || n > 0 && n <= prefetched {
		return r
	}
	return &paced{r: r, conn: k.conn, grace: k.s.cfg.HeadTimeout, rate: k.s.cfg.BodyRate, since: time.Now()}
}

// paced moves the read deadline on as bytes come in.
type paced struct {
	r     io.Reader
	conn  *conn
	grace time.Duration
	rate  int64 // bytes a second
	since time.Time
	got   int64
}

func (p *paced) Read(b []byte) (int, error) {
	earned := time.Duration(float64(p.got) / float64(p.rate) * float64(time.Second))
	if err := p.conn.SetReadDeadline(p.since.Add(p.grace + earned)); err != nil {
		return 0, err
	}
	n, err := p.r.Read(b)
	p.got += int64(n)
	return n, err
}

func (k *call) bodyEnd() {
	if k.conn != nil {
		k.conn.bodyRead = true
	}
}

func (k *call) tooLarge() error {
	return fault.New(fault.PayloadTooLarge, "the body is larger than %d bytes", k.s.cfg.MaxBody)
}

func (k *call) bodyFault(err error) error {
	switch {
	case k.conn != nil && k.conn.refused != nil:
		return fault.New(k.conn.refused.code, "%s", k.conn.refused.detail)
	case isTimeout(err):
		return fault.Wrap(codeRequestTimeout, err, "the body did not arrive in time")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fault.Wrap(fault.BadRequest, err, "the body ended before its declared length")
	}
	return fault.Wrap(fault.BadRequest, err, "the body could not be read")
}
