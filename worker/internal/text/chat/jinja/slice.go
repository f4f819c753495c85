package jinja

// window is the range [lo, hi) that optional start and stop mean, as str.find takes them.
func (r *run) window(start, stop Value, n int) (lo, hi int) {
	clip := func(v Value, d int) int {
		if v == nil || v == (none{}) {
			return d
		}
		i := r.index(v)
		if i < 0 {
			i = max(i+n, 0)
		}
		return i
	}
	lo, hi = clip(start, 0), clip(stop, n)
	return lo, min(hi, n)
}

// index is an integer, as indices and counts want it; a huge one is cut.
func (r *run) index(v Value) int {
	i, b, ok := asInt(v)
	if !ok {
		if u, is := v.(*Undefined); is {
			r.undefined(u)
		}
		r.typeErr("'%s' object cannot be interpreted as an integer", typeName(v))
	}
	const huge = 1 << 40
	if b != nil {
		return b.Sign() * huge
	}
	return int(max(min(i, huge), -huge))
}

// slice is obj[lo:hi:step].
func (r *run) slice(obj, lo, hi, step Value) Value {
	n, ok := 0, true
	switch x := obj.(type) {
	case *Str:
		r.reading(x)
		n = x.len()
	case *List:
		n = len(x.items)
	case *Tuple:
		n = len(x.items)
	case *Range:
		n = int(x.n)
	case *Undefined:
		r.undefined(x)
	default:
		ok = false
	}
	if !ok {
		r.typeErr("'%s' object is not subscriptable", typeName(obj))
	}
	at := func(v Value) (int, bool) {
		if v == (none{}) {
			return 0, false
		}
		if _, _, ok := asInt(v); !ok {
			r.typeErr("slice indices must be integers or None or have an __index__ method")
		}
		return r.index(v), true
	}
	by, given := at(step)
	if !given {
		by = 1
	}
	if by == 0 {
		r.valueErr("slice step cannot be zero")
	}
	from, count := sliceRange(at, lo, hi, by, n)
	return r.sliced(obj, from, count, by)
}

func sliceRange(at func(Value) (int, bool), lo, hi Value, by, n int) (from, count int) {
	first, last := 0, n
	if by < 0 {
		first, last = n-1, -1
	}
	clip := func(i int) int {
		if i < 0 {
			i += n
		}
		if by < 0 {
			return max(min(i, n-1), -1)
		}
		return max(min(i, n), 0)
	}
	if i, ok := at(lo); ok {
		first = clip(i)
	}
	if i, ok := at(hi); ok {
		last = clip(i)
	}
	switch {
	case by > 0 && last > first:
		count = (last - first + by - 1) / by
	case by < 0 && last < first:
		count = (first - last - by - 1) / -by
	}
	return first, count
}

func (r *run) sliced(obj Value, from, count, by int) Value {
	if s, ok := obj.(*Str); ok {
		return r.sliceStr(s, from, count, by)
	}
	if x, ok := obj.(*Range); ok {
		start := x.start + int64(from)*x.step
		step := x.step * int64(by)
		return &Range{start, start + int64(count)*step, step, int64(count)}
	}
	items := r.items(obj)
	r.grow(count * valueSize)
	out := make([]Value, count)
	for i := range out {
		out[i] = items[from+i*by]
	}
	if _, ok := obj.(*Tuple); ok {
		return &Tuple{items: out}
	}
	return &List{out}
}

func (r *run) sliceStr(s *Str, from, count, by int) Value {
	if count == 0 {
		return &Str{safe: s.safe}
	}
	if by == 1 {
		lo := s.offset(from)
		tail := s.sub(lo, len(s.s))
		hi := len(s.s)
		if from+count < s.len() {
			hi = lo + tail.offset(count)
		}
		return s.sub(lo, hi)
	}
	r.grow(len(s.s) * 5)
	offs := make([]int, 0, s.len()+1)
	for i := range s.s {
		offs = append(offs, i)
	}
	offs = append(offs, len(s.s))
	w := &buffer{}
	for i := range count {
		at := from + i*by
		w.sub(s, offs[at], offs[at+1])
	}
	out := w.str()
	out.safe = s.safe
	return out
}
