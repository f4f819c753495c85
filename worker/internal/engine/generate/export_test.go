package generate

import (
	"io/fs"
	"strings"
)

// Config is what a model's files say, for tests.
type Config struct {
	Context int
	EOS     []int32
	Token   string
	Greedy  bool
}

// ReadConfig is readConfig.
func ReadConfig(dir fs.FS) (Config, error) {
	c, err := readConfig(dir)
	if err != nil {
		return Config{}, err
	}
	return Config{c.context, c.eos, c.eosToken, c.defaults.greedy}, nil
}

// Stopper is stopper.
type Stopper = stopper

// NewStopper makes one.
func NewStopper(stops ...string) *Stopper { return &stopper{stops: stops} }

// Add is add.
func (s *Stopper) Add(text string) (string, bool) { return s.add(text) }

// Flush is flush.
func (s *Stopper) Flush() string { return s.flush() }

// RunRowsAlone makes the engine run its rows one by one.
func (e *Engine) RunRowsAlone() { e.graph.padding = padNone }

// Thinker is a thinker, within a thought already or not.
type Thinker struct{ t thinker }

// NewThinker makes one.
func NewThinker(within bool) *Thinker {
	t := &Thinker{}
	if within {
		t.t.state = thinkOn
	}
	return t
}

// Add is add, thoughts and text apart.
func (t *Thinker) Add(s string) (thought, text string) { return apart(t.t.add(s)) }

// Flush is flush.
func (t *Thinker) Flush() (thought, text string) { return apart(t.t.flush()) }

func apart(pieces []piece) (thought, text string) {
	for _, p := range pieces {
		thought, text = thought+p.reasoning, text+p.text
	}
	return thought, text
}

// InPlace tells whether the decoder writes its cache where it reads it.
func (e *Engine) InPlace() bool { return e.graph.inPlace }

// TwoSlabs makes the engine write its cache apart from where it reads it.
func (e *Engine) TwoSlabs() { e.graph.inPlace = false }

// Caller is a caller.
type Caller struct{ c caller }

// NewCaller makes one.
func NewCaller() *Caller { return &Caller{caller{inner: &thinker{}}} }

// Split gives text and calls of an answer that comes in parts of so many bytes.
func (c *Caller) Split(answer string, size int) (string, []string) {
	var text strings.Builder
	var calls []string
	take := func(pieces []piece) {
		for _, p := range pieces {
			text.WriteString(p.text)
			if p.call != nil {
				calls = append(calls, p.call.Name+" "+p.call.Arguments)
			}
		}
	}
	for answer != "" {
		n := min(size, len(answer))
		take(c.c.add(answer[:n]))
		answer = answer[n:]
	}
	take(c.c.flush())
	return text.String(), calls
}
