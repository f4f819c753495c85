package jinja

const maxRange = 100_000 // the sandbox's own limit

// global gives what every template has; nil for other names.
func global(name string) Value {
	var f func(r *run, a args) Value
	switch name {
	case "range":
		f = globalRange
	case "dict":
		f = func(r *run, a args) Value { return r.makeDict("dict", a) }
	case "namespace":
		f = func(r *run, a args) Value { return &Namespace{r.makeDict("namespace", a)} }
	case "raise_exception":
		f = func(r *run, a args) Value {
			r.raise(Raised, "%s", r.str(r.bind(name, a, "message")[0]).s)
			return nil
		}
	case "strftime_now":
		f = func(r *run, a args) Value {
			s := r.strArg(name, r.bind(name, a, "format")[0])
			r.grow(64 * len(s.s))
			return s.like(strftime(s.s, r.now))
		}
	case "cycler":
		f = func(r *run, a args) Value {
			if len(a.kw) > 0 || len(a.pos) == 0 {
				r.raise(Runtime, "at least one item has to be provided")
			}
			return &cycler{items: a.pos}
		}
	case "joiner":
		f = globalJoiner
	case "lipsum":
		f = func(r *run, _ args) Value {
			r.raise(Runtime, "the function 'lipsum' is not supported: a prompt is the same every time")
			return nil
		}
	case "self":
		return &Func{name: name} // defined, and of no use in a template that stands alone
	default:
		return nil
	}
	return &Func{name: name, call: f}
}

func globalRange(r *run, a args) Value {
	p := r.positional("range", a, "start", "stop?", "step?")
	num := func(v Value) int64 {
		if _, _, ok := asInt(v); !ok {
			if u, is := v.(*Undefined); is {
				r.undefined(u)
			}
			r.typeErr("'%s' object cannot be interpreted as an integer", typeName(v))
		}
		return int64(r.index(v))
	}
	x := &Range{step: 1}
	x.stop = num(p[0])
	if p[1] != nil {
		x.start, x.stop = x.stop, num(p[1])
	}
	if p[2] != nil {
		x.step = num(p[2])
	}
	switch {
	case x.step == 0:
		r.valueErr("range() arg 3 must not be zero")
	case x.step > 0 && x.stop > x.start:
		x.n = (x.stop - x.start + x.step - 1) / x.step
	case x.step < 0 && x.stop < x.start:
		x.n = (x.start - x.stop - x.step - 1) / -x.step
	}
	if x.n > maxRange {
		r.raise(Limit, "Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).", maxRange)
	}
	return x
}

func (r *run) makeDict(name string, a args) *Dict {
	if len(a.pos) > 1 {
		r.typeErr("%s expected at most 1 argument, got %d", name, len(a.pos))
	}
	out := newDict(len(a.kw))
	if len(a.pos) == 1 {
		switch x := a.pos[0].(type) {
		case *Dict:
			out = r.copyDict(x)
		default:
			for _, e := range r.items(x) {
				kv := r.unpack(e, 2)
				r.grow(4 * valueSize)
				r.put(out, kv[0], kv[1])
			}
		}
	}
	for _, k := range a.kw {
		r.grow(4 * valueSize)
		out.set(lit(k.name), k.v)
	}
	return out
}

func globalJoiner(r *run, a args) Value {
	p := r.bind("joiner", a, "sep?")
	sep := Value(lit(", "))
	if p[0] != nil {
		sep = p[0]
	}
	used := false
	return &Func{name: "joiner", call: func(r *run, a args) Value {
		r.bind("joiner", a)
		if !used {
			used = true
			return lit("")
		}
		return sep
	}}
}
