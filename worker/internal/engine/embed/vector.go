package embed

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/penstock-dev/penstock/worker/internal/engine/number"
)

// pool makes one vector of those of a text's tokens, which are the first n of tokens; where how is empty the graph has
// done it.
func pool(into, tokens []float32, n int, how string) {
	w := len(into)
	switch how {
	case mean:
		sum(into, tokens[:n*w], false)
		scale(into, 1/float32(n))
	case weightedMean:
		sum(into, tokens[:n*w], true)
		scale(into, 2/(float32(n)*float32(n+1)))
	case maximum:
		copy(into, tokens)
		for at := w; at < n*w; at += w {
			for i, x := range tokens[at : at+w] {
				into[i] = max(into[i], x)
			}
		}
	case lastToken:
		copy(into, tokens[(n-1)*w:])
	default: // cls, and what the graph has pooled
		copy(into, tokens)
	}
}

// sum adds the tokens up, four at a time, or weighted by their position from 1 on where that is wanted.
func sum(into, tokens []float32, weighted bool) {
	clear(into)
	w := len(into)
	for !weighted && len(tokens) >= 4*w {
		a, b, c, d := tokens[:w], tokens[w:][:w], tokens[2*w:][:w], tokens[3*w:][:w]
		for i := range into {
			into[i] += (a[i] + b[i]) + (c[i] + d[i])
		}
		tokens = tokens[4*w:]
	}
	for weight := float32(1); len(tokens) > 0; tokens = tokens[w:] {
		for i, x := range tokens[:w] {
			into[i] += weight * x
		}
		if weighted {
			weight++
		}
	}
}

func scale(v []float32, by float32) {
	for i := range v {
		v[i] *= by
	}
}

// normalize gives a vector length 1; one of length 0 stays.
func normalize(v []float32) {
	squares := 0.0
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	if length := math.Sqrt(squares); length > 1e-12 {
		for i, x := range v {
			v[i] = float32(float64(x) / length)
		}
	}
}

// render writes the unit's answer: {"embeddings":[…],"dimensions":N}. It changes the vectors.
func (u *unit) render(vectors []float32, width int) []byte {
	b := make([]byte, 0, 64+len(u.texts)*(u.dimensions*bytesPerNumber(u.base64)*9/8+8))
	b = append(b, `{"embeddings":[`...)
	for i := range u.texts {
		if i > 0 {
			b = append(b, ',')
		}
		v := vectors[i*width:][:u.dimensions]
		if u.normalize {
			normalize(v)
		}
		if u.base64 {
			b = appendBase64(b, v)
		} else {
			b = appendList(b, v)
		}
	}
	b = append(b, `],"dimensions":`...)
	b = strconv.AppendInt(b, int64(u.dimensions), 10)
	return append(b, '}')
}

func appendList(b []byte, v []float32) []byte {
	b = append(b, '[')
	for i, x := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = number.Append32(b, x)
	}
	return append(b, ']')
}

func appendBase64(b []byte, v []float32) []byte {
	raw := make([]byte, 0, len(v)*4)
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	b = append(b, '"')
	return append(base64.StdEncoding.AppendEncode(b, raw), '"')
}
