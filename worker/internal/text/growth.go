package text

import "fmt"

// Bounds on stages: a small file must not make a long text of a short one.
const (
	maxStages = 64      // stages of a kind, those in sequences included
	maxGrowth = 1 << 16 // how many times as long they may make a text, at the very worst
)

// growing is how many times as long a stage may make a text.
type growing interface{ growth() int }

// several are stages one after the other.
type several interface{ stages() int }

// bounded checks the stages of a kind together.
func bounded(kind string, stage any) error {
	if stages(stage) > maxStages {
		return fmt.Errorf("there are more than %d %s", maxStages, kind)
	}
	if times(stage) > maxGrowth {
		return fmt.Errorf("%s that could make a text more than %d times as long are not supported", kind, maxGrowth)
	}
	return nil
}

func stages(stage any) int {
	if s, ok := stage.(several); ok {
		return s.stages()
	}
	return 1
}

func times(stage any) int {
	if g, ok := stage.(growing); ok {
		return g.growth()
	}
	return 1
}

func sum[S any](list []S) (n int) {
	for _, s := range list {
		n += stages(s)
	}
	return n
}

func product[S any](list []S) int {
	n := 1
	for _, s := range list {
		n = min(n*times(s), maxGrowth+1)
	}
	return n
}

func (list normalizers) stages() int { return sum(list) }

func (list pretokenizers) stages() int { return sum(list) }

func (c chain) stages() int { return sum(c) }

func (list normalizers) growth() int { return product(list) }

func (list pretokenizers) growth() int { return product(list) }

func (c chain) growth() int { return product(c) }

func (f form) growth() int { return 18 } // U+FDFA

func (b *bert) growth() int { return 6 }

func (byteLevelNormalizer) growth() int { return 4 }

func (b *byteLevel) growth() int { return 5 }

func (m *metaspace) growth() int { return 2 }

func (p prepend) growth() int { return min(1+len(p), maxGrowth+1) }

func (p *replace) growth() int {
	if l, ok := p.match.(literal); ok {
		return min(1+len(p.content)/len(l), maxGrowth+1)
	}
	return min(1+len(p.content), maxGrowth+1)
}

func (p *precompiled) growth() int {
	longest, n := 0, 0
	for _, c := range p.text {
		if n++; c == 0 {
			n = 0
		}
		longest = max(longest, n)
	}
	return min(1+longest, maxGrowth+1)
}

func (p perToken) growth() int {
	if w, ok := p.change.(reword); ok {
		if l, ok := w.match.(literal); ok {
			return min(1+len(w.with)/len(l), maxGrowth+1)
		}
		return min(1+len(w.with), maxGrowth+1)
	}
	return 2
}
