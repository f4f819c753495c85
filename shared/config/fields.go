package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// field is one setting of a configuration struct.
type field struct {
	path  string        // "limits.daily_quota", as in the YAML file
	env   string        // "PENSTOCK_DAILY_QUOTA"; empty when no variable sets it
	doc   string        // the sentence for the reference
	shown string        // the default in words, where its value says too little
	value reflect.Value // addressable when the struct was given by pointer
}

// fieldsOf lists the settings of v, which is a struct or a pointer to one, in the order of their declaration.
func fieldsOf(v any) ([]field, error) {
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer {
		rv = rv.Elem()
	}
	if rv.Kind() != reflect.Struct {
		return nil, fmt.Errorf("config: %T is not a struct", v)
	}
	return appendFields(nil, "", rv)
}

func appendFields(list []field, prefix string, rv reflect.Value) ([]field, error) {
	for i := range rv.NumField() {
		sf := rv.Type().Field(i)
		if !sf.IsExported() {
			continue
		}
		tag, tagged := sf.Tag.Lookup("yaml")
		name, option, _ := strings.Cut(tag, ",")
		inline := option == "inline"
		switch {
		case name == "-":
			continue
		case !tagged || (name == "" && !inline):
			return nil, fmt.Errorf("config: field %s.%s has no yaml name", rv.Type(), sf.Name)
		}
		var err error
		switch value := rv.Field(i); {
		case inline:
			list, err = appendFields(list, prefix, value)
		case isSection(sf.Type):
			list, err = appendFields(list, prefix+name+".", value)
		default:
			env, _, _ := strings.Cut(sf.Tag.Get("env"), ",")
			list = append(list, field{
				path: prefix + name, env: env, doc: sf.Tag.Get("doc"), shown: sf.Tag.Get("default"), value: value,
			})
		}
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// isSection says whether a type groups settings, rather than being one.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// Variables lists the variables that set a field of the given structs.
func Variables(structs ...any) ([]string, error) {
	var names []string
	for _, s := range structs {
		list, err := fieldsOf(s)
		if err != nil {
			return nil, err
		}
		for _, f := range list {
			if f.env != "" {
				names = append(names, f.env)
			}
		}
	}
	return names, nil
}

// Keys lists the top-level keys of the given structs, each once.
func Keys(structs ...any) ([]string, error) {
	var keys []string
	for _, s := range structs {
		list, err := fieldsOf(s)
		if err != nil {
			return nil, err
		}
		for _, f := range list {
			key, _, _ := strings.Cut(f.path, ".")
			if !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	return keys, nil
}
