package pattern

import (
	"slices"
	"sort"
	"strings"
	"unicode"

	"github.com/penstock-dev/penstock/worker/internal/text/ucd"
)

const maxRune = 0x10FFFF

// span is a run of code points, hi included.
type span struct{ lo, hi rune }

// set is a set of code points: sorted runs that neither touch nor overlap, a bitmap of ASCII, and a table where there
// are many runs.
type set struct {
	runs  []span
	ascii [2]uint64
	table *ucd.Set
}

func newSet(runs []span) *set {
	s := &set{runs: tidy(runs)}
	for r := rune(0); r < 0x80; r++ {
		if s.find(r) {
			s.ascii[r>>6] |= 1 << (r & 63)
		}
	}
	if len(s.runs) > 4 {
		ranges := make([]ucd.Range, len(s.runs))
		for i, r := range s.runs {
			ranges[i] = ucd.Range{First: r.lo, Last: r.hi, Value: 1}
		}
		s.table = ucd.FromRanges(ranges)
	}
	return s
}

func tidy(runs []span) []span {
	runs = slices.Clone(runs)
	slices.SortFunc(runs, func(a, b span) int { return int(a.lo - b.lo) })
	out := runs[:0]
	for _, r := range runs {
		if n := len(out); n > 0 && r.lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, r.hi)
			continue
		}
		out = append(out, r)
	}
	return out
}

func (s *set) find(r rune) bool {
	i := sort.Search(len(s.runs), func(i int) bool { return s.runs[i].hi >= r })
	return i < len(s.runs) && s.runs[i].lo <= r
}

func (s *set) has(r rune) bool {
	if uint32(r) < 0x80 { //nolint:gosec // a negative rune is too large
		return s.ascii[r>>6]&(1<<(r&63)) != 0
	}
	if s.table != nil {
		return s.table.Has(r)
	}
	for _, x := range s.runs {
		if r <= x.hi {
			return r >= x.lo
		}
	}
	return false
}

func invert(runs []span) []span {
	var out []span
	next := rune(0)
	for _, r := range tidy(runs) {
		if r.lo > next {
			out = append(out, span{next, r.lo - 1})
		}
		next = r.hi + 1
	}
	if next <= maxRune {
		out = append(out, span{next, maxRune})
	}
	return out
}

func intersect(a, b []span) []span {
	return invert(append(invert(a), invert(b)...))
}

// fold adds the other cases of what is in runs.
func fold(runs []span) []span {
	out := slices.Clone(runs)
	in := newSet(runs)
	add := func(a, b rune) {
		if in.has(a) {
			out = append(out, span{b, b})
		}
		if in.has(b) {
			out = append(out, span{a, a})
		}
	}
	for _, r := range unicode.CaseRanges {
		for c := rune(r.Lo); c <= rune(r.Hi); c++ { //nolint:gosec // code points
			for o := unicode.SimpleFold(c); o != c; o = unicode.SimpleFold(o) {
				add(c, o)
			}
		}
	}
	for _, r := range ucd.Ranges("lowercase") {
		for c := r.First; c <= r.Last; c++ {
			add(c, r.Value)
		}
	}
	return tidy(out)
}

// longFold tells whether a code point's case folding is several, such as that of ß.
func longFold(runs []span) bool {
	s := newSet(runs)
	for _, r := range []span{
		{0xDF, 0xDF},
		{0x130, 0x130},
		{0x149, 0x149},
		{0x1F0, 0x1F0},
		{0x390, 0x390},
		{0x3B0, 0x3B0},
		{0x587, 0x587},
		{0x1E96, 0x1E9A},
		{0x1E9E, 0x1E9E},
		{0x1F50, 0x1F56},
		{0x1F80, 0x1FFC},
		{0xFB00, 0xFB17},
	} {
		for c := r.lo; c <= r.hi; c++ {
			if s.has(c) {
				return true
			}
		}
	}
	return false
}

func fromUCD(name string) []span {
	var out []span
	for _, r := range ucd.Ranges(name) {
		out = append(out, span{r.First, r.Last})
	}
	return out
}

// valued takes the runs of a set whose value passes.
func valued(name string, pass func(v rune) bool) []span {
	var out []span
	for _, r := range ucd.Ranges(name) {
		if pass(r.Value) {
			out = append(out, span{r.First, r.Last})
		}
	}
	return out
}

// category takes a general category or, by one letter, a group of them.
func category(name string) []span {
	list := strings.Fields(ucd.Categories)
	return valued(ucd.Category, func(v rune) bool {
		return strings.HasPrefix(strings.ToLower(list[v-1]), name)
	})
}

func space() []span {
	return []span{
		{9, 13},
		{' ', ' '},
		{0x85, 0x85},
		{0xA0, 0xA0},
		{0x1680, 0x1680},
		{0x2000, 0x200A},
		{0x2028, 0x2029},
		{0x202F, 0x202F},
		{0x205F, 0x205F},
		{0x3000, 0x3000},
	}
}

func hexadecimal() []span { return []span{{'0', '9'}, {'A', 'F'}, {'a', 'f'}} }

// property finds what \p{name} means.
func property(name string) ([]span, bool) {
	name = strings.ToLower(strings.NewReplacer(" ", "", "_", "", "-", "").Replace(name))
	switch name {
	case "punct":
		return category("p"), true
	case "word":
		return fromUCD(ucd.Word), true
	}
	if runs, ok := bracket(name); ok {
		return runs, true
	}
	switch name {
	case "any":
		return []span{{0, maxRune}}, true
	case "cn", "unassigned":
		return invert(append(fromUCD(ucd.Category), span{0xD800, 0xDFFF})), true
	case "c", "other":
		return invert(valued(ucd.Category, func(v rune) bool { return v <= categoriesBeforeOther })), true
	case "cs", "surrogate":
		return []span{{0xD800, 0xDFFF}}, true
	case "assigned":
		return append(fromUCD(ucd.Category), span{0xD800, 0xDFFF}), true
	case "alphabetic":
		return fromUCD(ucd.Alpha), true
	case "whitespace":
		return space(), true
	case "emoji":
		return fromUCD(ucd.Emoji), true
	case "extendedpictographic":
		return fromUCD(ucd.Pictographic), true
	}
	if short, ok := longNames()[name]; ok {
		name = short
	}
	if len(name) == 1 && strings.Contains("lmnpsz", name) || len(name) == 2 && //nolint:gocritic // it reads well
		slices.Contains(strings.Fields(strings.ToLower(ucd.Categories)), name) {
		return category(name), true
	}
	for i, s := range strings.Fields(ucd.Scripts) {
		if strings.ToLower(strings.ReplaceAll(s, "_", "")) == name {
			return valued(ucd.Script, func(v rune) bool { return int(v) == i+1 }), true
		}
	}
	return nil, false
}

// categoriesBeforeOther is how many of ucd.Categories are letters, marks, numbers, punctuation, symbols or separators.
const categoriesBeforeOther = 25

func longNames() map[string]string {
	return map[string]string{
		"letter": "l", "uppercaseletter": "lu", "lowercaseletter": "ll", "titlecaseletter": "lt", "modifierletter": "lm",
		"otherletter": "lo", "mark": "m", "nonspacingmark": "mn", "spacingmark": "mc", "enclosingmark": "me", "number": "n",
		"decimalnumber": "nd", "letternumber": "nl", "othernumber": "no", "punctuation": "p", "connectorpunctuation": "pc",
		"dashpunctuation": "pd", "openpunctuation": "ps", "closepunctuation": "pe", "initialpunctuation": "pi",
		"finalpunctuation": "pf", "otherpunctuation": "po", "symbol": "s", "mathsymbol": "sm", "currencysymbol": "sc",
		"modifiersymbol": "sk", "othersymbol": "so", "separator": "z", "spaceseparator": "zs", "lineseparator": "zl",
		"paragraphseparator": "zp", "control": "cc", "format": "cf", "privateuse": "co",
	}
}

// bracket finds what [:name:] means.
func bracket(name string) ([]span, bool) {
	switch name {
	case "alnum":
		return append(fromUCD(ucd.Alpha), category("nd")...), true
	case "alpha":
		return fromUCD(ucd.Alpha), true
	case "ascii":
		return []span{{0, 0x7F}}, true
	case "blank":
		return append(category("zs"), span{'\t', '\t'}), true
	case "cntrl":
		return category("cc"), true
	case "digit":
		return category("nd"), true
	case "graph":
		return fromUCD(ucd.Graph), true
	case "lower":
		return fromUCD(ucd.Lower), true
	case "print":
		return fromUCD(ucd.Print), true
	case "punct":
		return fromUCD(ucd.Punct), true
	case "space":
		return space(), true
	case "upper":
		return fromUCD(ucd.Upper), true
	case "xdigit":
		return hexadecimal(), true
	case "word":
		return classWord(fromUCD(ucd.Word)), true
	}
	return nil, false
}

// classWord is what word characters are in a class: the superscripts and fractions of Latin-1 are not among them.
func classWord(word []span) []span {
	return intersect(word, invert([]span{{0xB2, 0xB3}, {0xB9, 0xB9}, {0xBC, 0xBE}}))
}
