package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size in bytes, written as a number ("1048576") or with a binary unit ("64KiB", "1MiB", "2GiB").
type Bytes int64

// textError is what a text form of this package says about a value that does not fit.
type textError struct{ problem string }

func (e *textError) Error() string { return e.problem }

var units = [...]string{"B", "KiB", "MiB", "GiB", "TiB"} //nolint:gochecknoglobals // a constant table

// UnmarshalText reads a size. Decimal units (MB) are refused, so that nobody guesses which was meant.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	number := strings.TrimRight(s, "BKMGTi")
	scale := 0
	if unit := s[len(number):]; unit != "" {
		for scale < len(units) && units[scale] != unit {
			scale++
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || scale == len(units) || n < 0 || n > math.MaxInt64>>(10*scale) {
		return &textError{`is not a size like "65536", "64KiB" or "1MiB"`}
	}
	*b = Bytes(n << (10 * scale))
	return nil
}

// String writes the size with the largest unit that keeps it whole.
func (b Bytes) String() string {
	n, scale := int64(b), 0
	for n != 0 && n%1024 == 0 && scale < len(units)-1 {
		n, scale = n/1024, scale+1
	}
	if scale == 0 {
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%d%s", n, units[scale])
}

// MarshalText writes what UnmarshalText reads.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }
