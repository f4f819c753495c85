package picture

import "math"

// Filter is how a resize weighs the pixels around a place. The numbers are Pillow's.
type Filter int

// The filters. Nearest is none of them.
const (
	Lanczos  Filter = 1
	Bilinear Filter = 2
	Bicubic  Filter = 3
	Box      Filter = 4
	Hamming  Filter = 5
)

// Known says whether the filter is one of ours.
func (f Filter) Known() bool { return f >= Lanczos && f <= Hamming }

// support is how far the filter reaches, in pixels.
func (f Filter) support() float64 {
	switch f {
	case Lanczos:
		return 3
	case Bicubic:
		return 2
	case Box:
		return 0.5
	default:
		return 1
	}
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}

func (f Filter) weigh(x float64) float64 {
	switch f {
	case Lanczos:
		if x >= -3 && x < 3 {
			return sinc(x) * sinc(x/3)
		}
		return 0
	case Box:
		if x > -0.5 && x <= 0.5 {
			return 1
		}
		return 0
	case Bicubic:
		const a = -0.5
		x = math.Abs(x)
		if x < 1 {
			return float64(float64((a+2)*x-(a+3))*x)*x + 1 // conversions forbid fused operations: every machine the same
		}
		if x < 2 {
			return (float64(float64((float64((x-5)*x)+8)*x)-4) * a)
		}
		return 0
	case Hamming:
		x = math.Abs(x)
		if x == 0 {
			return 1
		}
		if x >= 1 {
			return 0
		}
		x *= math.Pi
		return math.Sin(x) / x * (0.54 + float64(0.46*math.Cos(x)))
	default:
		if x = math.Abs(x); x < 1 {
			return 1 - x
		}
		return 0
	}
}

// precision is the bits of fraction of a weight: what 32 bits leave beside a sample and two bits of sums above 1.
const precision = 32 - 8 - 2

// window is the pixels that make one pixel of the result, and their weights.
type window struct {
	first   int
	weights []int32
}

// windows are those of a resize from in to out pixels.
func windows(in, out int, f Filter) []window {
	scale := float64(in) / float64(out)
	stretch := max(scale, 1)
	reach := f.support() * stretch
	all := make([]window, out)
	weights := make([]float64, 0, 2*int(math.Ceil(reach))+1)
	fixed := make([]int32, 0, out*min(cap(weights), in))
	for i := range all {
		center := float64((float64(i) + 0.5) * scale)
		first := max(int(center-reach+0.5), 0)
		last := min(int(center+reach+0.5), in)
		weights = weights[:0]
		sum := 0.0
		for x := first; x < last; x++ {
			w := f.weigh((float64(x) - center + 0.5) * (1 / stretch))
			weights = append(weights, w)
			sum += w
		}
		start := len(fixed)
		for _, w := range weights {
			if sum != 0 {
				w /= sum
			}
			fixed = append(fixed, int32(math.Copysign(0.5, w)+float64(w*(1<<precision))))
		}
		all[i] = window{first, fixed[start:len(fixed):len(fixed)]}
	}
	return all
}

// Resize gives the picture another size, to the bit as Pillow's resize does: convolution with a filter that widens when
// the picture shrinks, first across and then down, each rounded to whole levels. A pass that changes nothing is left out.
func (p *RGB) Resize(width, height int, f Filter) *RGB {
	if width != p.Width {
		p = p.across(width, f)
	}
	if height != p.Height {
		p = p.down(height, f)
	}
	return p
}

func clip(v int32) byte {
	v >>= precision
	if v&^255 == 0 {
		return byte(v & 255)
	}
	if v < 0 {
		return 0
	}
	return 255
}

func (p *RGB) across(width int, f Filter) *RGB {
	out := newRGB(width, p.Height)
	wins := windows(p.Width, width, f)
	for y := range p.Height {
		in := p.Pix[3*y*p.Width:][:3*p.Width]
		to := out.Pix[3*y*width:][:3*width]
		for x := range wins {
			w := &wins[x]
			r, g, b := int32(1)<<(precision-1), int32(1)<<(precision-1), int32(1)<<(precision-1)
			s := in[3*w.first:][:3*len(w.weights)]
			for _, k := range w.weights {
				if len(s) < 3 {
					break // never; the compiler then checks no bounds below
				}
				r += int32(s[0]) * k
				g += int32(s[1]) * k
				b += int32(s[2]) * k
				s = s[3:]
			}
			o := to[3*x : 3*x+3 : 3*x+3]
			o[0], o[1], o[2] = clip(r), clip(g), clip(b)
		}
	}
	return out
}

func (p *RGB) down(height int, f Filter) *RGB {
	out := newRGB(p.Width, height)
	stride := 3 * p.Width
	sums := make([]int32, stride)
	for y, w := range windows(p.Height, height, f) {
		for i := range sums {
			sums[i] = 1 << (precision - 1)
		}
		for i, k := range w.weights {
			if k == 0 {
				continue
			}
			in := p.Pix[(w.first+i)*stride:][:stride]
			in = in[:len(sums)]
			for j, v := range in {
				sums[j] += int32(v) * k
			}
		}
		to := out.Pix[y*stride:][:stride]
		for j, s := range sums {
			to[j] = clip(s)
		}
	}
	return out
}
