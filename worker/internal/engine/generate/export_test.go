package generate

import "io/fs"

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

// InPlace tells whether the decoder writes its cache where it reads it.
func (e *Engine) InPlace() bool { return e.graph.inPlace }

// TwoSlabs makes the engine write its cache apart from where it reads it.
func (e *Engine) TwoSlabs() { e.graph.inPlace = false }
