package chat

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"
	"sync/atomic"

	"github.com/penstock-dev/penstock/worker/internal/text"
	"github.com/penstock-dev/penstock/worker/internal/text/chat/jinja"
)

// The files of a model's folder that Load reads.
const (
	TemplateFile   = "chat_template.jinja"
	TemplatesDir   = "additional_chat_templates"
	ProcessorFile  = "chat_template.json"
	ConfigFile     = "tokenizer_config.json"
	SpecialMapFile = "special_tokens_map.json"
)

// ErrNone is what Load gives for a folder without any chat template.
var ErrNone = errors.New("chat: the folder has no chat template")

// Template is a model's chat template, or several of them by name. It never changes and is free for use by many
// goroutines.
type Template struct {
	def, tools *jinja.Template // tools, where a model has one of its own, is used when a request has tools
	source     string          // of both, for what their text tells of the model
	vars       map[string]jinja.Value
	style      style
	specials   atomic.Pointer[matcher] // of the last request's
}

// Load reads the chat template of a model's folder: chat_template.jinja with additional_chat_templates, or else
// chat_template.json, or else the chat_template of tokenizer_config.json, which is a text or a list of named ones. The
// special tokens of tokenizer_config.json and special_tokens_map.json become variables. ErrNone says that the folder
// has no template.
func Load(dir fs.FS) (*Template, error) {
	config, err := object(dir, ConfigFile)
	if err != nil {
		return nil, err
	}
	special, err := object(dir, SpecialMapFile)
	if err != nil {
		return nil, err
	}
	named, err := sources(dir, config)
	if err != nil {
		return nil, err
	}
	t := &Template{vars: map[string]jinja.Value{}}
	if err := t.parse(named); err != nil {
		return nil, err
	}
	t.tokens(special)
	t.tokens(config)
	t.style = styleOf(t.source)
	return t, nil
}

// New makes a template of its text alone, with special tokens by the names of their variables.
func New(source string, tokens map[string]string) (*Template, error) {
	t := &Template{vars: map[string]jinja.Value{}}
	if err := t.parse(map[string]string{"default": source}); err != nil {
		return nil, err
	}
	for name, tok := range tokens {
		t.vars[name] = jinja.Text(tok)
	}
	t.style = styleOf(t.source)
	return t, nil
}

func (t *Template) parse(named map[string]string) error {
	if len(named) == 0 {
		return ErrNone
	}
	for _, n := range []string{"default", "tool_use"} {
		src, ok := named[n]
		if !ok {
			continue
		}
		j, err := jinja.Parse(src)
		if err != nil {
			return fmt.Errorf("chat: the chat template %q does not parse: %w", n, err)
		}
		t.source += src + "\n"
		if n == "default" {
			t.def = j
		} else {
			t.tools = j
		}
	}
	if t.def == nil {
		names := make([]string, 0, len(named))
		for n := range named {
			names = append(names, n)
		}
		sort.Strings(names)
		return fmt.Errorf("chat: the folder has no chat template named default, only %s", strings.Join(names, ", "))
	}
	return nil
}

// sources finds the texts of the templates by their names.
func sources(dir fs.FS, config jinja.Value) (map[string]string, error) {
	out := map[string]string{}
	b, err := text.ReadFile(dir, TemplateFile)
	switch {
	case err == nil:
		out["default"] = string(b)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("chat: %w", err)
	}
	entries, err := fs.ReadDir(dir, TemplatesDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("chat: %w", err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".jinja")
		if !ok {
			continue
		}
		b, err := text.ReadFile(dir, path.Join(TemplatesDir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("chat: %w", err)
		}
		out[name] = string(b)
	}
	if len(out) > 0 {
		return out, nil
	}
	processor, err := object(dir, ProcessorFile)
	if err != nil {
		return nil, err
	}
	for _, from := range []struct {
		file string
		v    jinja.Value
	}{{ProcessorFile, processor}, {ConfigFile, config}} {
		if err := namedTemplates(out, jinja.Member(from.v, "chat_template"), from.file); err != nil {
			return nil, err
		}
		if len(out) > 0 {
			break
		}
	}
	return out, nil
}

func namedTemplates(out map[string]string, v jinja.Value, file string) error {
	if v == nil || v == jinja.None() {
		return nil
	}
	if s, ok := jinja.StringOf(v); ok {
		out["default"] = s
		return nil
	}
	for _, e := range jinja.Items(v) {
		name, ok1 := jinja.StringOf(jinja.Member(e, "name"))
		src, ok2 := jinja.StringOf(jinja.Member(e, "template"))
		if !ok1 || !ok2 {
			return fmt.Errorf("chat: chat_template in %s has an entry without a name or a template", file)
		}
		out[name] = src
	}
	bad := ""
	if jinja.Each(v, func(name string, t jinja.Value) {
		src, ok := jinja.StringOf(t)
		if !ok {
			bad = name
		}
		out[name] = src
	}); bad != "" {
		return fmt.Errorf("chat: chat_template %q in %s is not a text", bad, file)
	}
	if len(out) == 0 {
		return fmt.Errorf("chat: chat_template in %s is neither a text nor a list of named ones", file)
	}
	return nil
}

// tokens makes variables of special tokens; later calls win.
func (t *Template) tokens(v jinja.Value) {
	set := func(name string, x jinja.Value) {
		if s, ok := tokenText(x); ok {
			t.vars[name] = jinja.Text(s)
		}
	}
	jinja.Each(v, func(name string, x jinja.Value) {
		switch name {
		case "additional_special_tokens":
			var all []jinja.Value
			for _, e := range jinja.Items(x) {
				if s, ok := tokenText(e); ok {
					all = append(all, jinja.Text(s))
				}
			}
			if all != nil {
				t.vars[name] = jinja.NewList(all...)
			}
		case "extra_special_tokens", "model_specific_special_tokens":
			jinja.Each(x, set)
		default:
			if strings.HasSuffix(name, "_token") {
				set(name, x)
			}
		}
	})
}

// tokenText is a token's text, given as it is or as the content of an object.
func tokenText(v jinja.Value) (string, bool) {
	if s, ok := jinja.StringOf(v); ok {
		return s, true
	}
	return jinja.StringOf(jinja.Member(v, "content"))
}

// object reads a file that holds a JSON object; nil when there is no such file.
func object(dir fs.FS, name string) (jinja.Value, error) {
	b, err := text.ReadFile(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no file is no error here
	}
	if err != nil {
		return nil, fmt.Errorf("chat: %w", err)
	}
	v, err := jinja.FromJSON(bytes.TrimPrefix(b, []byte("\ufeff")), false)
	if err != nil {
		return nil, fmt.Errorf("chat: %s is not JSON: %w", name, err)
	}
	if !jinja.Each(v, func(string, jinja.Value) {}) {
		return nil, fmt.Errorf("chat: %s is not a JSON object", name)
	}
	return v, nil
}
