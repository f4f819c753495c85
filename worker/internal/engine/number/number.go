// Package number writes floating-point numbers as JSON: the shortest text that reads back as the same number, and null
// for what JSON has no number for, NaN and the infinities.
package number

import (
	"math"
	"strconv"
)

// Append32 writes a float32.
func Append32(b []byte, f float32) []byte {
	if bits := math.Float32bits(f); easy(bits) {
		return short(b, bits)
	}
	if f-f != 0 {
		return append(b, "null"...)
	}
	if a := float32(math.Abs(float64(f))); a != 0 && (a < 1e-6 || a >= 1e21) {
		return tidy(strconv.AppendFloat(b, float64(f), 'e', -1, 32))
	}
	return strconv.AppendFloat(b, float64(f), 'f', -1, 32)
}

// Append64 writes a float64.
func Append64(b []byte, f float64) []byte {
	if f-f != 0 {
		return append(b, "null"...)
	}
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return tidy(strconv.AppendFloat(b, f, 'e', -1, 64))
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

// tidy shortens an exponent of one digit: 1e-07 to 1e-7.
func tidy(b []byte) []byte {
	if n := len(b); n >= 4 && b[n-4] == 'e' && b[n-2] == '0' {
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}
