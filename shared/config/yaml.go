package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// yamlFile decodes one file; it walks the tree itself, so that every fault has its key's path and line.
type yamlFile struct {
	path    string
	fields  map[string]field // by path
	foreign []string
	faults  []error
}

// decodeYAML sets the fields that source names. An empty value (`key:`) leaves the default.
func decodeYAML(path string, source []byte, fields []field, foreign []string) []error {
	f := &yamlFile{path: path, fields: map[string]field{}, foreign: foreign}
	for _, one := range fields {
		f.fields[one.path] = one
	}
	tree, err := parser.ParseBytes(source, 0)
	if err != nil {
		f.refuse("", err)
		return f.faults
	}
	documents := 0
	for _, doc := range tree.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType || doc.Body.Type() == ast.NullType {
			continue
		}
		if documents++; documents > 1 {
			f.fault(doc.Body.GetToken(), "", "a configuration file holds one document, this is a second one")
			break
		}
		f.section("", doc.Body)
	}
	return f.faults
}

// section reads a mapping whose keys stand under prefix ("" or "limits.").
func (f *yamlFile) section(prefix string, node ast.Node) {
	var pairs []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	case *ast.NullNode:
		return
	default:
		f.fault(node.GetToken(), strings.TrimSuffix(prefix, "."), "is not a mapping of keys to values")
		return
	}
	for _, pair := range pairs {
		key := pair.Key.GetToken().Value
		if prefix == "" && slices.Contains(f.foreign, key) {
			continue
		}
		f.pair(prefix+key, pair)
	}
}

func (f *yamlFile) pair(path string, pair *ast.MappingValueNode) {
	if setting, ok := f.fields[path]; ok {
		f.set(setting, pair.Value)
		return
	}
	if f.hasSection(path + ".") {
		f.section(path+".", pair.Value)
		return
	}
	problem := "no such key"
	if near := nearest(path, f.paths()); near != "" {
		problem += "; did you mean " + near + "?"
	}
	f.fault(pair.Key.GetToken(), path, problem)
}

func (f *yamlFile) set(setting field, node ast.Node) {
	if node.Type() == ast.NullType {
		return
	}
	err := yaml.NodeToValue(node, setting.value.Addr().Interface(), yaml.Strict())
	if err == nil {
		return
	}
	at := node.GetToken()
	if described(setting.value.Type()) {
		f.fault(at, setting.path, fmt.Sprintf("%q %s", node.String(), misfit(setting.value.Type(), node.String(), err)))
		return
	}
	if e, ok := err.(yaml.Error); ok { //nolint:errorlint // the decoder returns it bare
		f.refuse(setting.path, e)
		return
	}
	f.fault(at, setting.path, err.Error())
}

// described says whether misfit has a sentence for every wrong value of t; lists and maps are told by the decoder,
// which knows the item.
func described(t reflect.Type) bool {
	return t.Kind() != reflect.Slice && t.Kind() != reflect.Map && t.Kind() != reflect.Pointer
}

func (f *yamlFile) paths() []string {
	paths := make([]string, 0, len(f.fields))
	for path := range f.fields {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

func (f *yamlFile) hasSection(prefix string) bool {
	for path := range f.fields {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// refuse records the parser's or the decoder's own error.
func (f *yamlFile) refuse(path string, err error) {
	if e, ok := err.(yaml.Error); ok { //nolint:errorlint // the parser returns it bare
		f.fault(e.GetToken(), path, e.GetMessage())
		return
	}
	f.fault(nil, path, err.Error())
}

func (f *yamlFile) fault(at *token.Token, path, problem string) {
	where := f.path
	if at != nil && at.Position != nil {
		where = fmt.Sprintf("%s:%d", f.path, at.Position.Line)
	}
	if path != "" {
		where += ": " + path
	}
	f.faults = append(f.faults, fmt.Errorf("%s: %s", where, problem))
}
