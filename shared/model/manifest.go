// Package model knows what a model is on disk: a folder models/<name>/<version>/ with a manifest, model.yaml, that
// says which engine runs it, how, and what its files must hash to. It imports nothing of ours but shared/fault.
package model

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/goccy/go-yaml"
)

// ManifestFile is the manifest's name in a version's folder.
const ManifestFile = "model.yaml"

// maxManifest bounds the manifest's size in bytes.
const maxManifest = 1 << 20

// Manifest is model.yaml. Zero values mean the engine's defaults.
type Manifest struct {
	Name        string            `yaml:"name"`    // equals the folder's parent
	Version     string            `yaml:"version"` // equals the folder
	Engine      string            `yaml:"engine"`  // the kind of model: uninlu, sleep, …
	Description string            `yaml:"description"`
	License     string            `yaml:"license"`
	Files       map[string]string `yaml:"files"` // path inside the folder, with slashes → SHA-256 in hex; an engine opens no other
	Batch       Batch             `yaml:"batch"`
	Instances   int               `yaml:"instances"` // batches that run at once; default: as the cores allow
	Threads     int               `yaml:"threads"`   // threads of one run; default 1
	Device      string            `yaml:"device"`    // cpu (default) or cuda:N
	Slots       int               `yaml:"slots"`     // jobs held at once, running or next; default 2 × instances × batch.max_size
	Timeout     time.Duration     `yaml:"timeout"`   // how long one attempt may run; default: no bound of the model's own

	Uninlu   *Uninlu   `yaml:"uninlu"`   // of engine uninlu
	Tensor   *Tensor   `yaml:"tensor"`   // of engine tensor
	Embed    *Embed    `yaml:"embed"`    // of engine embed
	Upstream *Upstream `yaml:"upstream"` // of engine upstream
	Generate *Generate `yaml:"generate"` // of engine generate, and of the decoder of engine vision
	Vision   *Vision   `yaml:"vision"`   // of engine vision
}

// Batch says how requests share a run.
type Batch struct {
	MaxSize   int           `yaml:"max_size"`   // requests in one run; default 8
	MaxDelay  time.Duration `yaml:"max_delay"`  // how long one waits for company while another instance runs; an idle model never waits
	MaxTokens int           `yaml:"max_tokens"` // sum of the units' costs in one run; default: the engine's
}

// Uninlu is what a SiameseUniNLU network was trained with, in tokens.
type Uninlu struct {
	Window    int     `yaml:"window"`    // tokens of text in one run; default 384
	Slide     int     `yaml:"slide"`     // distance between windows over a long text; default 352
	HintMax   int     `yaml:"hint_max"`  // tokens of a hint; default 128
	Threshold float64 `yaml:"threshold"` // a head or tail counts above it; default 0.5
}

// Upstream says where a model server is, and how it is called.
type Upstream struct {
	API              string        `yaml:"api"`                // openai (default), ollama
	URLs             []string      `yaml:"urls"`               // one a server: http://host:8000/v1 for openai, http://host:11434 for ollama
	URLsEnv          string        `yaml:"urls_env"`           // a variable of the worker that holds them instead, joined by commas
	Model            string        `yaml:"model"`              // as the servers call it; default: the manifest's name
	KeyFile          string        `yaml:"key_file"`           // a file that holds the servers' API key
	KeyEnv           string        `yaml:"key_env"`            // or a variable of the worker that does
	Concurrency      int           `yaml:"concurrency"`        // calls at once to one server; default 16
	FirstByteTimeout time.Duration `yaml:"first_byte_timeout"` // until an answer begins; default 60s
	IdleTimeout      time.Duration `yaml:"idle_timeout"`       // between two pieces of an answer; default 60s
	HealthInterval   time.Duration `yaml:"health_interval"`    // between two looks at a server's health; default 5s
	Context          int           `yaml:"context"`            // tokens of prompt and answer, told to clients; default: not told
	Images           bool          `yaml:"images"`             // the model sees images
}

// Tensor says how a graph is run that takes and gives tensors as they are.
type Tensor struct {
	Model string `yaml:"model"` // the graph's file; default: the folder's only *.onnx
	Batch bool   `yaml:"batch"` // the first axis of every input and output counts examples, so that requests may share a run
}

// Embed overrides what a sentence encoder's own files say.
type Embed struct {
	Model     string `yaml:"model"`      // the graph's file; default: model.onnx, onnx/model.onnx or the folder's only *.onnx
	Pooling   string `yaml:"pooling"`    // mean, cls, max, lasttoken or weightedmean; default: 1_Pooling/config.json's, or mean
	Normalize *bool  `yaml:"normalize"`  // vectors get length 1; default: as modules.json has it
	MaxTokens int    `yaml:"max_tokens"` // of one text, special tokens included; default: the tokenizer's
}

// Parse reads a manifest. Unknown and repeated keys are errors.
func Parse(b []byte) (*Manifest, error) {
	if len(b) > maxManifest {
		return nil, fmt.Errorf("model: a manifest of %d bytes is too large", len(b))
	}
	var m Manifest
	if err := yaml.UnmarshalWithOptions(b, &m, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("model: %s: %w", ManifestFile, err)
	}
	if err := m.validate(); err != nil {
		return nil, fmt.Errorf("model: %s: %w", ManifestFile, err)
	}
	return &m, nil
}

// Read reads the manifest of the version folder dir.
func Read(dir string) (*Manifest, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	defer root.Close() //nolint:errcheck // nothing was written
	f, err := root.Open(ManifestFile)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	b, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	return Parse(b)
}

// Has tells whether the manifest vouches for a file.
func (m *Manifest) Has(path string) bool {
	_, ok := m.Files[path]
	return ok
}

func (m *Manifest) validate() error {
	if !ValidName(m.Name) {
		return fmt.Errorf("name %q: want 1 to 64 of a-z, A-Z, 0-9, _ and -", m.Name)
	}
	if !ValidVersion(m.Version) {
		return fmt.Errorf("version %q: want 1 to 64 of a-z, A-Z, 0-9, ., _ and -", m.Version)
	}
	if m.Engine == "" {
		return errors.New("engine is missing")
	}
	for _, n := range []struct {
		name  string
		value int
	}{
		{"batch.max_size", m.Batch.MaxSize},
		{"batch.max_tokens", m.Batch.MaxTokens},
		{"instances", m.Instances},
		{"threads", m.Threads},
		{"slots", m.Slots},
	} {
		if n.value < 0 || n.value > 1<<20 {
			return fmt.Errorf("%s: %d is out of range", n.name, n.value)
		}
	}
	if m.Batch.MaxDelay < 0 || m.Batch.MaxDelay > time.Minute {
		return fmt.Errorf("batch.max_delay: %s is out of range", m.Batch.MaxDelay)
	}
	if m.Timeout < 0 {
		return fmt.Errorf("timeout: %s is negative", m.Timeout)
	}
	return errors.Join(m.Uninlu.validate(), m.Embed.validate(), m.Generate.validate(), m.Vision.validate())
}

func (e *Embed) validate() error {
	if e == nil {
		return nil
	}
	if e.MaxTokens < 0 || e.MaxTokens > 1<<20 {
		return fmt.Errorf("embed.max_tokens: %d is out of range", e.MaxTokens)
	}
	switch e.Pooling {
	case "", "mean", "cls", "max", "lasttoken", "weightedmean":
		return nil
	}
	return fmt.Errorf("embed.pooling: %q is not mean, cls, max, lasttoken or weightedmean", e.Pooling)
}

func (u *Uninlu) validate() error {
	if u == nil {
		return nil
	}
	if u.Window < 0 || u.Slide < 0 || u.HintMax < 0 {
		return errors.New("uninlu: window, slide and hint_max can't be negative")
	}
	if u.Window > 0 && u.Slide > u.Window {
		return fmt.Errorf("uninlu.slide: %d would leave gaps between windows of %d tokens", u.Slide, u.Window)
	}
	return nil
}

// ValidName tells whether a string may name a model: it must be safe as a folder and as one token of a subject.
func ValidName(s string) bool {
	ok, err := regexp.MatchString(`^[0-9A-Za-z][0-9A-Za-z_-]{0,63}$`, s)
	return ok && err == nil
}

// ValidVersion tells whether a string may name a version.
func ValidVersion(s string) bool {
	ok, err := regexp.MatchString(`^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$`, s)
	return ok && err == nil
}
