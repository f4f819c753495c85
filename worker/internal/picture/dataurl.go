package picture

import (
	"encoding/base64"
	"strings"

	"github.com/penstock-dev/penstock/shared/fault"
)

// FromURL is the data of a data URL, "data:image/png;base64,…". Every other URL is refused: a worker fetches nothing.
// Errors are faults without a field.
func FromURL(url string, l Limits) ([]byte, error) {
	const scheme = "data:"
	if len(url) < len(scheme) || !strings.EqualFold(url[:len(scheme)], scheme) {
		return nil, fault.Invalid("", "must be a data: URL; pictures are not fetched from elsewhere")
	}
	head, body, ok := strings.Cut(url[len(scheme):], ",")
	if !ok {
		return nil, fault.Invalid("", "is a data: URL without data")
	}
	if len(head) < 7 || !strings.EqualFold(head[len(head)-7:], ";base64") {
		return nil, fault.Invalid("", "must be a data: URL in base64")
	}
	if limit := l.OrDefault().Bytes; int64(len(body))/4*3 > limit+3 {
		return nil, fault.Invalid("", "has more than %d bytes", limit)
	}
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(body, "-_") {
		encoding = base64.RawURLEncoding
	}
	data, err := encoding.DecodeString(strings.TrimRight(body, "=\r\n"))
	if err != nil {
		return nil, fault.Invalid("", "is not base64")
	}
	return data, nil
}
