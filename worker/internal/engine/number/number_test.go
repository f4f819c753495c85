package number_test

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"

	"github.com/penstock-dev/penstock/worker/internal/engine/number"
)

func TestWhatIsWritten(t *testing.T) {
	t.Parallel()
	for f, want := range map[float32]string{
		1: "1", -1.5: "-1.5", 0.1: "0.1", 1e-6: "0.000001", 1e-7: "1e-7", 1e20: "100000000000000000000", 1e21: "1e+21",
		16777216: "16777216", math.MaxFloat32: "3.4028235e+38", math.SmallestNonzeroFloat32: "1e-45", 1.17549435e-38: "1.1754944e-38",
		float32(math.Inf(1)): "null", float32(math.Inf(-1)): "null",
	} {
		assert.Equal(t, want, string(number.Append32(nil, f)))
	}
	assert.Equal(t, "0", string(number.Append32(nil, 0)))
	assert.Equal(t, "-0", string(number.Append32(nil, float32(math.Copysign(0, -1)))))
	assert.Equal(t, "null", string(number.Append32(nil, float32(math.NaN()))))
	assert.Equal(t, "x1.7976931348623157e+308", string(number.Append64([]byte("x"), math.MaxFloat64)))
	assert.Equal(t, "5e-324", string(number.Append64(nil, math.SmallestNonzeroFloat64)))
	assert.Equal(t, "null", string(number.Append64(nil, math.NaN())))
}

func TestEveryNumberReadsBack(t *testing.T) {
	t.Parallel()
	for range 100_000 {
		check(t, rand.Uint64())
	}
}

// TestShortIsWhatStrconvWrites goes through all fractions of some exponents, and through some of all.
func TestShortIsWhatStrconvWrites(t *testing.T) {
	t.Parallel()
	var ours, theirs []byte
	try := func(bits uint32) {
		f := math.Float32frombits(bits)
		ours, theirs = number.Append32(ours[:0], f), strconv.AppendFloat(theirs[:0], float64(f), 'f', -1, 32)
		if string(ours) != string(theirs) {
			t.Fatalf("%x: %s, and strconv writes %s", bits, ours, theirs)
		}
	}
	for exponent := uint32(108); exponent < 150; exponent++ {
		for _, near := range []uint32{0, 1 << 22, 1<<23 - 20} {
			for i := range uint32(20) {
				try(exponent<<23 | near + i)
				try(1<<31 | exponent<<23 | near + i)
			}
		}
		for range 20_000 {
			try(exponent<<23 | rand.Uint32N(1<<23))
		}
	}
	for i := range 100_000 {
		f := float32(i) / 1000
		try(math.Float32bits(f))
		try(math.Float32bits(float32(i) / 4096))
	}
}

func FuzzNumber(f *testing.F) {
	f.Add(uint64(0))
	f.Add(math.Float64bits(1e-7))
	f.Fuzz(func(t *testing.T, bits uint64) { check(t, bits) })
}

func check(t *testing.T, bits uint64) {
	t.Helper()
	f, s := math.Float64frombits(bits), math.Float32frombits(uint32(bits))
	if b := number.Append64(nil, f); string(b) != "null" {
		back, err := strconv.ParseFloat(string(b), 64)
		if err != nil || math.Float64bits(back) != bits || !jsontext.Value(b).IsValid() {
			t.Fatalf("%x gave %s", bits, b)
		}
	}
	if b := number.Append32(nil, s); string(b) != "null" {
		back, err := strconv.ParseFloat(string(b), 32)
		if err != nil || math.Float32bits(float32(back)) != uint32(bits) || !jsontext.Value(b).IsValid() {
			t.Fatalf("%x gave %s", uint32(bits), b)
		}
	}
}

func BenchmarkAppend32(b *testing.B) {
	v := make([]float32, 384)
	for i := range v {
		v[i] = rand.Float32() - 0.5
	}
	to := make([]byte, 0, 8192)
	b.ReportAllocs()
	for b.Loop() {
		to = to[:0]
		for _, f := range v {
			to = number.Append32(to, f)
		}
	}
	b.SetBytes(int64(len(to)))
}
