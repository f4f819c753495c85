package picture

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/penstock-dev/penstock/shared/fault"
)

// maxAspect is how many times longer than short a picture may be.
const maxAspect = 200

// Processor prepares pictures as one model wants them: resized to whole patches within a budget of pixels, normalised,
// and cut into patches. Make it with ParseProcessor. It may be used by any number of goroutines.
type Processor struct {
	Patch    int // pixels across and down
	Temporal int // frames of a patch: a still picture is repeated
	Merge    int // patches across and down that make one token
	Min, Max int // pixels of a resized picture; times the frames of a patch if the kind counts them

	resize bool
	filter Filter
	frames bool // the budget counts frames, and small pictures are enlarged first: GLM-4V
	table  [3][256]float32
}

// Grid is how a picture is cut: patches in time, down and across.
type Grid struct {
	T, H, W int
}

// Patches is how many there are.
func (g Grid) Patches() int { return g.T * g.H * g.W }

// config is what we read of preprocessor_config.json.
type config struct {
	Type      string    `json:"image_processor_type"`
	Patch     *int      `json:"patch_size"`
	Temporal  *int      `json:"temporal_patch_size"`
	Merge     *int      `json:"merge_size"`
	Min       *int      `json:"min_pixels"`
	Max       *int      `json:"max_pixels"`
	Size      *edges    `json:"size"`
	Resize    *bool     `json:"do_resize"`
	Rescale   *bool     `json:"do_rescale"`
	Normalize *bool     `json:"do_normalize"`
	Factor    *float64  `json:"rescale_factor"`
	Resample  *int      `json:"resample"`
	Mean      []float64 `json:"image_mean"`
	Std       []float64 `json:"image_std"`
}

type edges struct {
	Shortest *int `json:"shortest_edge"`
	Longest  *int `json:"longest_edge"`
}

// clipMean and clipStd are what the kinds take where the file says nothing.
func clipMean() []float64 { return []float64{0.48145466, 0.4578275, 0.40821073} }
func clipStd() []float64  { return []float64{0.26862954, 0.26130258, 0.27577711} }

// ParseProcessor reads a preprocessor_config.json. A kind of processor that is not known is an error that names it: to
// guess would give nonsense answers instead of none.
func ParseProcessor(b []byte) (*Processor, error) {
	var c config
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("it is not what a processor's configuration looks like: %w", err)
	}
	p := &Processor{Min: 56 * 56, Max: 28 * 28 * 1280}
	switch strings.TrimSuffix(c.Type, "Fast") {
	case "Qwen2VLImageProcessor", "Qwen2_5_VLImageProcessor", "Qwen3VLImageProcessor":
	case "Glm4vImageProcessor", "Glm46VImageProcessor":
		p.frames = true
		p.Min, p.Max = 112*112, 28*28*15000
	case "":
		return nil, errors.New("it names no image_processor_type")
	default:
		return nil, fmt.Errorf("image_processor_type %s is not supported; those of Qwen-VL and GLM-4V are", c.Type)
	}
	p.Patch, p.Temporal, p.Merge = or(c.Patch, 14), or(c.Temporal, 2), or(c.Merge, 2)
	if c.Size != nil {
		p.Min, p.Max = or(c.Size.Shortest, p.Min), or(c.Size.Longest, p.Max)
	}
	p.Min, p.Max = or(c.Min, p.Min), or(c.Max, p.Max)
	p.resize, p.filter = or(c.Resize, true), Filter(or(c.Resample, int(Bicubic)))
	if err := p.check(); err != nil {
		return nil, err
	}
	return p, p.normalize(&c)
}

func or[T any](v *T, otherwise T) T {
	if v == nil {
		return otherwise
	}
	return *v
}

func (p *Processor) check() error {
	const most = 1 << 28 // pixels; beyond it nothing is a picture, and sums would overflow
	switch {
	case p.Patch < 1 || p.Patch > 128:
		return fmt.Errorf("patch_size is %d", p.Patch)
	case p.Temporal < 1 || p.Temporal > 16:
		return fmt.Errorf("temporal_patch_size is %d", p.Temporal)
	case p.Merge < 1 || p.Merge > 16:
		return fmt.Errorf("merge_size is %d", p.Merge)
	case p.Min < 1 || p.Max < p.Min || p.Max > most:
		return fmt.Errorf("the least and most pixels are %d and %d", p.Min, p.Max)
	case !p.filter.Known():
		return fmt.Errorf("resample is %d; 1 (lanczos), 2 (bilinear), 3 (bicubic), 4 (box) and 5 (hamming) are supported", p.filter)
	}
	return nil
}

// normalize makes the table of what each level of each channel becomes, in the precision of the reference: rescaled in
// double and rounded, then normalised in single.
func (p *Processor) normalize(c *config) error {
	factor := 1.0
	if or(c.Rescale, true) {
		factor = or(c.Factor, 1.0/255)
	}
	mean, std := []float64{0, 0, 0}, []float64{1, 1, 1}
	if or(c.Normalize, true) {
		mean, std = clipMean(), clipStd()
		if c.Mean != nil {
			mean = c.Mean
		}
		if c.Std != nil {
			std = c.Std
		}
	}
	if len(mean) != 3 || len(std) != 3 {
		return errors.New("image_mean and image_std must have three values each")
	}
	for ch := range p.table {
		if std[ch] == 0 {
			return errors.New("image_std has a zero")
		}
		for v := range p.table[ch] {
			x := float32(float64(v)*factor) - float32(mean[ch])
			p.table[ch][v] = x / float32(std[ch])
		}
	}
	return nil
}

// Grid is how a picture of that size will be cut. Errors are faults without a field.
func (p *Processor) Grid(width, height int) (Grid, error) {
	unit := p.Patch * p.Merge
	if !p.resize {
		if width%unit != 0 || height%unit != 0 {
			return Grid{}, fault.Invalid("", "has %d × %d pixels; this model takes multiples of %d only", width, height, unit)
		}
		return Grid{1, height / p.Patch, width / p.Patch}, nil
	}
	w, h := width, height
	if p.frames && (h < unit || w < unit) {
		scale := max(float64(unit)/float64(h), float64(unit)/float64(w))
		w, h = int(float64(w)*scale), int(float64(h)*scale)
	}
	if max(w, h) > maxAspect*min(w, h) {
		return Grid{}, fault.Invalid("", "has %d × %d pixels; one side may be at most %d times the other", width, height, maxAspect)
	}
	frames := 1
	if p.frames {
		frames = p.Temporal
	}
	fw, fh, fu := float64(w), float64(h), float64(unit)
	bw, bh := math.RoundToEven(fw/fu)*fu, math.RoundToEven(fh/fu)*fu
	switch area := float64(frames) * bw * bh; {
	case area > float64(p.Max):
		beta := math.Sqrt(float64(frames) * fw * fh / float64(p.Max))
		bw, bh = max(fu, math.Floor(fw/beta/fu)*fu), max(fu, math.Floor(fh/beta/fu)*fu)
	case area < float64(p.Min):
		beta := math.Sqrt(float64(p.Min) / (float64(frames) * fw * fh))
		bw, bh = math.Ceil(fw*beta/fu)*fu, math.Ceil(fh*beta/fu)*fu
	}
	bw, bh = max(bw, fu), max(bh, fu)
	return Grid{1, int(bh) / p.Patch, int(bw) / p.Patch}, nil
}

// PatchSize is how many values a patch has.
func (p *Processor) PatchSize() int { return 3 * p.Temporal * p.Patch * p.Patch }

// Tokens is how many tokens a picture becomes.
func (p *Processor) Tokens(g Grid) int { return g.Patches() / (p.Merge * p.Merge) }

// Fill resizes a picture to its grid and writes its patches to out, g.Patches() × PatchSize() values: patches that are
// merged into one token lie together, and each has its values by channel, frame, row and column.
func (p *Processor) Fill(m *RGB, g Grid, out []float32) error {
	if len(out) != g.Patches()*p.PatchSize() || g.T != 1 || g.H%p.Merge != 0 || g.W%p.Merge != 0 {
		return fmt.Errorf("picture: a grid of %d × %d × %d patches has not %d values", g.T, g.H, g.W, len(out))
	}
	m = m.Resize(g.W*p.Patch, g.H*p.Patch, p.filter)
	for by := 0; by < g.H; by += p.Merge {
		for bx := 0; bx < g.W; bx += p.Merge {
			for y := by; y < by+p.Merge; y++ {
				for x := bx; x < bx+p.Merge; x++ {
					p.patch(m, x*p.Patch, y*p.Patch, out[:p.PatchSize()])
					out = out[p.PatchSize():]
				}
			}
		}
	}
	return nil
}

// patch writes the patch whose upper left corner is at x, y.
func (p *Processor) patch(m *RGB, x, y int, out []float32) {
	frame := p.Patch * p.Patch
	for ch := range 3 {
		table := &p.table[ch]
		first := out[:frame]
		for r := range p.Patch {
			in := m.Pix[3*((y+r)*m.Width+x)+ch:]
			row := first[r*p.Patch:][:p.Patch]
			for c := range row {
				row[c] = table[in[3*c]]
			}
		}
		for t := 1; t < p.Temporal; t++ {
			copy(out[t*frame:][:frame], first)
		}
		out = out[p.Temporal*frame:]
	}
}
