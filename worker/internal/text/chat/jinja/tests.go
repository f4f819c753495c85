package jinja

import "math/big"

// testByName gives a test; nil when there is none of that name.
func testByName(name string) builtin {
	switch name {
	case "==", "eq", "equalto":
		return comparison("==")
	case "!=", "ne":
		return comparison("!=")
	case ">", "gt", "greaterthan":
		return comparison(">")
	case "<", "lt", "lessthan":
		return comparison("<")
	case ">=", "ge":
		return comparison(">=")
	case "<=", "le":
		return comparison("<=")
	case "in":
		return func(r *run, v Value, a args) Value {
			return r.contains(r.bindFilter(name, v, a, "value", "seq")[1], v)
		}
	case "sameas":
		return func(r *run, v Value, a args) Value {
			return identical(v, r.bindFilter(name, v, a, "value", "other")[1])
		}
	case "divisibleby":
		return func(r *run, v Value, a args) Value {
			return r.equal(r.arith("%", v, r.bindFilter(name, v, a, "value", "num")[1]), int64(0))
		}
	case "odd", "even":
		want := map[string]int64{"odd": 1, "even": 0}[name]
		return func(r *run, v Value, a args) Value {
			r.bindFilter(name, v, a, "value")
			return r.equal(r.arith("%", v, int64(2)), want)
		}
	case "filter":
		return func(r *run, v Value, a args) Value {
			r.bindFilter(name, v, a, "value")
			r.hashable(v)
			s, ok := v.(*Str)
			return ok && filterByName(s.s) != nil
		}
	case "test":
		return func(r *run, v Value, a args) Value {
			r.bindFilter(name, v, a, "value")
			r.hashable(v)
			s, ok := v.(*Str)
			return ok && testByName(s.s) != nil
		}
	case "lower", "upper":
		return func(r *run, v Value, a args) Value {
			r.bindFilter(name, v, a, "value")
			return hasCase(r.str(v).s, name == "lower")
		}
	}
	is := typeTest(name)
	if is == nil {
		return nil
	}
	return func(r *run, v Value, a args) Value {
		r.bindFilter(name, v, a, "value")
		return is(v)
	}
}

func comparison(op string) builtin {
	return func(r *run, v Value, a args) Value {
		return r.compare(op, v, r.positional(op, args{pos: append([]Value{v}, a.pos...), kw: a.kw}, "a", "b")[1])
	}
}

func typeTest(name string) func(Value) bool {
	switch name {
	case "defined":
		return func(v Value) bool { _, ok := v.(*Undefined); return !ok }
	case "undefined":
		return func(v Value) bool { _, ok := v.(*Undefined); return ok }
	case "none":
		return func(v Value) bool { return v == Value(none{}) }
	case "boolean":
		return func(v Value) bool { _, ok := v.(bool); return ok }
	case "true":
		return func(v Value) bool { return v == true }
	case "false":
		return func(v Value) bool { return v == false }
	case "integer":
		return func(v Value) bool {
			switch v.(type) {
			case int64, *big.Int:
				return true
			}
			return false
		}
	case "float":
		return func(v Value) bool { _, ok := v.(float64); return ok }
	case "number":
		return isNumber
	case "string":
		return func(v Value) bool { _, ok := v.(*Str); return ok }
	case "mapping":
		return func(v Value) bool { _, ok := v.(*Dict); return ok }
	case "sequence":
		return func(v Value) bool {
			switch v.(type) {
			case *Str, *List, *Tuple, *Dict, *Range, *Undefined:
				return true
			}
			return false
		}
	case "iterable":
		return func(v Value) bool {
			switch v.(type) {
			case *Str, *List, *Tuple, *Dict, *Range, *Undefined, *Iter, *view, *loop:
				return true
			}
			return false
		}
	case "callable":
		return func(v Value) bool {
			switch v.(type) {
			case *Func, *Macro, *loop, *Undefined:
				return true
			}
			return false
		}
	case "escaped":
		return func(v Value) bool { s, ok := v.(*Str); return ok && s.safe }
	}
	return nil
}

// identical is Python's is. Small integers and equal short strings are one object there; so they are here.
func identical(a, b Value) bool {
	switch x := a.(type) {
	case *Str:
		y, ok := b.(*Str)
		return ok && (x == y || x.s == y.s && x.safe == y.safe)
	case *big.Int:
		y, ok := b.(*big.Int)
		return ok && x.Cmp(y) == 0
	case float64, int64, bool, none:
		return a == b
	}
	return a == b
}

func (r *run) hashable(v Value) {
	r.hashing(v)
	if _, ok := hashKey(v); !ok {
		r.typeErr("unhashable type: '%s'", typeName(v))
	}
}
