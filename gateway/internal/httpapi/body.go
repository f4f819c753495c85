package httpapi

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/penstock-dev/penstock/gateway/internal/protocol/rawjson"
	"github.com/penstock-dev/penstock/shared/fault"
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
	r := k.rc.RequestBodyStream()
	if r == nil {
		return bytes.Clone(k.rc.Request.Body()), nil
	}
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
	if n > 0 && buf.Len() < n {
		return nil, k.bodyFault(io.ErrUnexpectedEOF)
	}
	k.bodyEnd()
	return buf.Bytes(), nil
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
