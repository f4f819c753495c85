package text

import "github.com/penstock-dev/penstock/worker/internal/text/ucd"

// What a code point is to the rules of grapheme clusters, as tables.py numbers it.
const (
	gAny = iota
	gCR
	gControl
	gExtend
	gPictographic
	gConsonant
	gL
	gLF
	gLV
	gLVT
	gPrepend
	gRegional
	gSpacing
	gT
	gV
	gZWJ
)

func graphemeKind(set *ucd.Set, r rune) byte {
	if r < 0x7F {
		switch {
		case r >= ' ':
			return gAny
		case r == '\n':
			return gLF
		case r == '\r':
			return gCR
		}
		return gControl
	}
	return set.Value(r)
}

// graphemeEnd is where the extended grapheme cluster that begins at begin ends.
func graphemeEnd(text []rune, begin int) int {
	end := begin + 1
	if end >= len(text) || text[begin] < 0x7F && text[end] < 0x7F && text[begin] != '\r' {
		return end
	}
	set := ucd.Of(ucd.Grapheme)
	linker, mark := ucd.Of(ucd.Linker), ucd.Of(ucd.ConjunctMark)
	before := graphemeKind(set, text[begin])
	regional := before == gRegional         // the last is the first half of a flag
	pictographic := before == gPictographic // then marks only
	joined := false                         // then marks, and a joiner last
	consonant := before == gConsonant       // then linkers and marks only
	linked := false                         // a linker among them
	for ; end < len(text); end++ {
		r := text[end]
		after := graphemeKind(set, r)
		if graphemeBreak(before, after, regional, joined, consonant && linked) {
			return end
		}
		regional = after == gRegional && !regional
		joined = pictographic && after == gZWJ
		pictographic = after == gPictographic || pictographic && after == gExtend
		switch {
		case after == gConsonant:
			consonant, linked = true, false
		case linker.Has(r):
			linked = consonant
		case !mark.Has(r):
			consonant, linked = false, false
		}
		before = after
	}
	return end
}

func graphemeBreak(before, after byte, regional, joined, conjunct bool) bool {
	switch {
	case before == gCR && after == gLF:
		return false
	case before == gControl, before == gCR, before == gLF, after == gControl, after == gCR, after == gLF:
		return true
	case before == gL && (after == gL || after == gV || after == gLV || after == gLVT),
		(before == gLV || before == gV) && (after == gV || after == gT), (before == gLVT || before == gT) && after == gT:
		return false
	case after == gExtend, after == gZWJ, after == gSpacing, before == gPrepend:
		return false
	case after == gConsonant:
		return !conjunct
	case after == gPictographic:
		return !joined
	case after == gRegional:
		return !regional
	}
	return true
}
