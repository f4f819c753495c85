package text

import (
	"slices"

	"github.com/penstock-dev/penstock/worker/internal/text/ucd"
)

// form is one of Unicode's four normalization forms, as the reference's library knows them. It does its own work, as
// the offsets follow from how it is done.
type form struct{ compose, compatible bool }

// piece of a decomposition, with its combining class.
type decomposed struct {
	edit
	class uint8
}

func (f form) normalize(in, out *line) {
	n := ucd.Tables()
	begin := 0
	for begin < len(in.runes) {
		// What lies between two code points that are not concerned stands by itself.
		end := begin
		for end < len(in.runes) && f.aloof(in.runes[end]) {
			end++
		}
		if f.compose && end < len(in.runes) && end > begin {
			end-- // may compose with what comes
		}
		out.runes, out.from = append(out.runes, in.runes[begin:end]...), append(out.from, in.from[begin:end]...)
		if begin = end; begin == len(in.runes) {
			break
		}
		end++
		for end < len(in.runes) && !f.aloof(in.runes[end]) {
			end++
		}
		part := line{in.runes[begin:end], in.from[begin:end], in.shift}
		f.part(n, &part, out)
		begin = end
	}
}

// aloof tells code points that stay as they are, before which everything is settled.
func (f form) aloof(r rune) bool {
	return r < 0xA0 || r < 0xC0 && !f.compatible || r < 0x300 && f.compose && !f.compatible || isCommon(r)
}

func (f form) part(n *ucd.Norm, in, out *line) {
	list := make([]decomposed, 0, 2*len(in.runes))
	ready := 0 // up to here the marks are in order
	settle := func() {
		slices.SortStableFunc(list[ready:], func(a, b decomposed) int { return int(a.class) - int(b.class) })
		ready = len(list)
	}
	var buf [32]rune
	for _, r := range in.runes {
		for i, d := range n.Decompose(buf[:0], r, f.compatible) {
			x := decomposed{edit{d, int32(min(i, 1))}, n.Class(d)}
			if x.class == 0 {
				settle()
			}
			list = append(list, x)
		}
	}
	settle()
	if f.compose {
		list = recompose(n, list)
	}
	edits := make([]edit, len(list))
	for i, x := range list {
		edits[i] = x.edit
	}
	apply(in, edits, 0, out)
}

// recompose puts together what goes together; the change of what comes out says how many it was.
func recompose(n *ucd.Norm, list []decomposed) []decomposed {
	out := list[:0]
	starter := -1 // in out
	last := -1    // the class of the last mark since, -1 for none
	for _, x := range list {
		if starter < 0 {
			if x.class == 0 {
				starter = len(out)
			}
			out = append(out, x)
			continue
		}
		if last < int(x.class) {
			if r, ok := n.Compose(out[starter].r, x.r); ok {
				out[starter].r = r
				out[starter].change += x.change - 1
				continue
			}
		}
		if x.class == 0 {
			starter, last = len(out), -1
		} else {
			last = int(x.class)
		}
		out = append(out, x)
	}
	return out
}
