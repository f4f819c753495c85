package config

import (
	"fmt"
	"io"
	"path"
	"reflect"
	"strings"
	"time"
)

// Reference writes Markdown tables of the given structs, one each under its package's name: key, variable, default,
// meaning. The defaults are the values that the structs hold, or what a field's default tag says where they differ from
// machine to machine. A setting without a doc tag is an error, so that the reference stays whole.
func Reference(w io.Writer, structs ...any) error {
	out := &strings.Builder{}
	for _, s := range structs {
		list, err := fieldsOf(s)
		if err != nil {
			return err
		}
		t := reflect.TypeOf(s)
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		fmt.Fprintf(out, "\n## %s\n\n| key | variable | default | meaning |\n|---|---|---|---|\n", path.Base(t.PkgPath()))
		for _, f := range list {
			if f.doc == "" {
				return fmt.Errorf("config: %s.%s has no doc tag", t, f.path)
			}
			variable := ""
			if f.env != "" {
				variable = "`" + f.env + "`"
			}
			fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", f.path, variable, showDefault(f), cell(f.doc))
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func showDefault(f field) string {
	if f.shown != "" {
		return cell(f.shown)
	}
	s := showValue(f.value)
	if s == "" {
		return ""
	}
	return "`" + cell(s) + "`"
}

func showValue(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return showDuration(x)
	case fmt.Stringer:
		if v.Kind() == reflect.Pointer && v.IsNil() {
			return ""
		}
		return x.String()
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		if v.Len() == 0 {
			return ""
		}
		if v.Kind() == reflect.Map {
			return fmt.Sprint(v.Interface())
		}
		items := make([]string, v.Len())
		for i := range items {
			items[i] = showValue(v.Index(i))
		}
		return strings.Join(items, ",")
	case reflect.Pointer:
		if v.IsNil() {
			return ""
		}
		return showValue(v.Elem())
	default:
		return fmt.Sprint(v.Interface())
	}
}

// showDuration drops the zero parts of Go's own form: "1h", not "1h0m0s".
func showDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
