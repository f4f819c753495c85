package jinja

import "strings"

// bind sorts the arguments of a call by the names of parameters; one that ends in "?" may be left out and is nil then.
func (r *run) bind(fn string, a args, params ...string) []Value {
	if len(a.pos) > len(params) {
		r.typeErr("%s() takes %d arguments but %d were given", fn, len(params), len(a.pos))
	}
	out := make([]Value, len(params))
	copy(out, a.pos)
	for _, k := range a.kw {
		at := -1
		for i, p := range params {
			if strings.TrimSuffix(p, "?") == k.name {
				at = i
				break
			}
		}
		if at < 0 {
			r.typeErr("%s() got an unexpected keyword argument '%s'", fn, k.name)
		}
		if out[at] != nil {
			r.typeErr("%s() got multiple values for argument '%s'", fn, k.name)
		}
		out[at] = k.v
	}
	for i, p := range params {
		if out[i] == nil && !strings.HasSuffix(p, "?") {
			r.typeErr("%s() missing required argument: '%s'", fn, p)
		}
	}
	return out
}

// bindFilter is bind with the filtered value as the first argument.
func (r *run) bindFilter(fn string, v Value, a args, params ...string) []Value {
	a.pos = append([]Value{v}, a.pos...)
	return r.bind(fn, a, params...)
}

// positional is bind for what takes no keywords.
func (r *run) positional(fn string, a args, params ...string) []Value {
	if len(a.kw) > 0 {
		r.typeErr("%s() takes no keyword arguments", fn)
	}
	return r.bind(fn, a, params...)
}

// given says whether an optional argument was given and is not None.
func given(v Value) bool { return v != nil && v != Value(none{}) }

// flag is an optional truth value, false when left out.
func (r *run) flag(v Value) bool { return v != nil && r.truth(v) }

// strArg is an argument that has to be a string.
func (r *run) strArg(fn string, v Value) *Str {
	s, ok := v.(*Str)
	if !ok {
		if u, is := v.(*Undefined); is {
			r.undefined(u)
		}
		r.typeErr("%s() argument must be str, not %s", fn, typeName(v))
	}
	return s
}
