package vision

import (
	"os"
	"path"

	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/worker/internal/engine/folder"
	"github.com/penstock-dev/penstock/worker/internal/picture"
)

// Memory is what a model takes beside its decoder, in bytes.
type Memory struct {
	Weights  int64 // of the encoder's files, which ONNX Runtime reads into memory
	Decode   int64 // the most that decoding one picture takes
	Patches  int64 // of the largest picture, as the encoder takes it; what runs of the encoder take comes on top
	Features int64 // of the images seen last, at most
	Tokens   int   // of the largest picture, in the decoder's context
}

// Estimate tells what the model in the version folder dir takes beside its decoder, from its files alone. Decode and
// Patches count for each picture under way, as many as Options.Encoders.
func Estimate(dir string, m *model.Manifest) (Memory, error) {
	files, err := folder.Open(dir, m)
	if err != nil {
		return Memory{}, err
	}
	defer files.Close() //nolint:errcheck // nothing was written
	v := section(m)
	c, err := readConfig(files)
	if err != nil {
		return Memory{}, err
	}
	p, err := readProcessor(files, c, v.MaxPixels)
	if err != nil {
		return Memory{}, err
	}
	file, err := encoderFile(files, v.Encoder)
	if err != nil {
		return Memory{}, err
	}
	h, err := files.Header(file)
	if err != nil {
		return Memory{}, err
	}
	mem := Memory{Decode: limits(v).Memory, Features: cacheSize(v)}
	patches := max(p.Max/(p.Patch*p.Patch), p.Merge*p.Merge)
	mem.Patches, mem.Tokens = 4*int64(patches)*int64(p.PatchSize()), patches/(p.Merge*p.Merge)
	for _, name := range append([]string{path.Base(file)}, h.External...) {
		st, err := os.Stat(files.Path(path.Join(path.Dir(file), name)))
		if err != nil {
			return Memory{}, err
		}
		mem.Weights += st.Size()
	}
	return mem, nil
}

// section is the manifest's section, or an empty one.
func section(m *model.Manifest) *model.Vision {
	if m.Vision == nil {
		return &model.Vision{}
	}
	return m.Vision
}

func limits(v *model.Vision) picture.Limits {
	return picture.Limits{
		Bytes: int64(v.ImageBytes), Pixels: int64(v.ImagePixels), Memory: int64(v.DecodeMemory),
	}.OrDefault()
}

func cacheSize(v *model.Vision) int64 {
	if v.FeatureCache == nil {
		return DefaultCache
	}
	return int64(*v.FeatureCache)
}
