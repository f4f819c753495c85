package config

import (
	"encoding"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Prefix begins every variable that the project reads.
const Prefix = "PENSTOCK_"

// FileVariable names the YAML file where no path is given.
const FileVariable = Prefix + "CONFIG"

// Load fills into, a pointer to a struct that holds its defaults, from the YAML file at path and then from environ
// (as os.Environ gives it). With an empty path the file is the one that PENSTOCK_CONFIG names, and none where that is
// unset; a named file must exist. A variable that is set but empty counts as unset.
//
// foreign names what belongs to another process that shares the file and the environment, and is passed over:
// variables ("PENSTOCK_HTTPS_ADDR", or with a final star all that begin so) and top-level keys of the file ("worker").
//
// Where into has a method Validate() error, Load ends with it. The error joins all faults found, one a line.
func Load(path string, environ []string, into any, foreign ...string) error {
	if rv := reflect.ValueOf(into); rv.Kind() != reflect.Pointer || rv.IsNil() {
		return fmt.Errorf("config: Load needs a pointer to a struct, not %T", into)
	}
	fields, err := fieldsOf(into)
	if err != nil {
		return err
	}
	variables := ours(environ)
	if path == "" {
		path = variables[FileVariable]
	}
	delete(variables, FileVariable)

	var faults []error
	if path != "" {
		faults = append(faults, loadFile(path, fields, foreign)...)
	}
	faults = append(faults, loadVariables(variables, into, fields, foreign)...)
	if err := errors.Join(faults...); err != nil {
		return err
	}
	if v, ok := into.(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}

// ours picks the PENSTOCK_* variables that hold something.
func ours(environ []string) map[string]string {
	m := map[string]string{}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, Prefix) && value != "" {
			m[name] = value
		}
	}
	return m
}

func loadFile(path string, fields []field, foreign []string) []error {
	source, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if errors.Is(err, fs.ErrNotExist) {
		return []error{fmt.Errorf("configuration file %s does not exist", path)}
	}
	if err != nil {
		return []error{fmt.Errorf("configuration file cannot be read: %w", err)}
	}
	return decodeYAML(path, source, fields, foreign)
}

// loadVariables sets one variable at a time, so that a value that does not fit is reported with its variable.
func loadVariables(variables map[string]string, into any, fields []field, foreign []string) []error {
	known := map[string]field{}
	for _, f := range fields {
		if f.env != "" {
			known[f.env] = f
		}
	}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		f, ok := known[name]
		if !ok {
			if !isForeign(name, foreign) {
				faults = append(faults, unknownVariable(name, known))
			}
			continue
		}
		one := env.Options{Environment: map[string]string{name: variables[name]}}
		if err := env.ParseWithOptions(into, one); err != nil {
			faults = append(faults, fmt.Errorf("%s: %q %s", name, variables[name], misfit(f.value.Type(), variables[name], err)))
		}
	}
	return faults
}

func isForeign(name string, foreign []string) bool {
	return slices.ContainsFunc(foreign, func(f string) bool {
		prefix, star := strings.CutSuffix(f, "*")
		return f == name || (star && strings.HasPrefix(name, prefix))
	})
}

func unknownVariable(name string, known map[string]field) error {
	if near := nearest(name, slices.Sorted(maps.Keys(known))); near != "" {
		return fmt.Errorf("%s: no such variable; did you mean %s?", name, near)
	}
	return fmt.Errorf("%s: no such variable", name)
}

// misfit says what a value of type t ought to look like. A type with a text form of its own speaks for itself; cause
// is the decoder's error, for what nobody else explains.
func misfit(t reflect.Type, value string, cause error) string {
	if t == reflect.TypeFor[time.Duration]() {
		return `is not a duration like "500ms", "3s" or "1h30m"`
	}
	if u, ok := reflect.New(t).Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(value)); err != nil {
			cause = err
		}
		if own, ok := errors.AsType[*textError](cause); ok {
			return own.problem
		}
		return "does not fit: " + cause.Error()
	}
	switch t.Kind() {
	case reflect.Bool:
		return "is not true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "is not a whole number, or too large"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "is not a whole number from 0, or too large"
	case reflect.Float32, reflect.Float64:
		return "is not a number"
	case reflect.String:
		return "is not a text"
	case reflect.Slice:
		return "is not a list of such values"
	default:
		return "does not fit: " + cause.Error()
	}
}

// nearest finds the one of names that is within two edits of name, or "".
func nearest(name string, names []string) string {
	best, bestAt := "", 3
	for _, n := range names {
		if d := distance(name, n); d < bestAt {
			best, bestAt = n, d
		}
	}
	return best
}

// distance counts the single-byte edits between a and b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
