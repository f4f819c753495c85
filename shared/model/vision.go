package model

import "fmt"

// Vision says how the pictures of engine vision are taken. How they are cut stands in preprocessor_config.json, and
// everything about the decoder in the section generate.
type Vision struct {
	Encoder      string `yaml:"encoder"`       // the encoder's file; default vision_encoder.onnx
	MaxImages    int    `yaml:"max_images"`    // images of one request; default 16
	MaxPixels    int    `yaml:"max_pixels"`    // a larger picture is made smaller, to spare tokens; default and most: what the processor's file says
	ImageBytes   Size   `yaml:"image_bytes"`   // a larger file is refused; default 32MiB
	ImagePixels  int    `yaml:"image_pixels"`  // a picture of more pixels is refused from its header; default 64000000
	DecodeMemory Size   `yaml:"decode_memory"` // a picture that takes more to decode is refused from its header; default 512MiB
	FeatureCache *Size  `yaml:"feature_cache"` // memory for the vectors of the images seen last; default 64MiB. With 0 no request's time can tell what others sent
}

func (v *Vision) validate() error {
	if v == nil {
		return nil
	}
	for _, n := range []struct {
		name  string
		value int
		most  int
	}{
		{"max_images", v.MaxImages, 1 << 10},
		{"max_pixels", v.MaxPixels, 1 << 28},
		{"image_pixels", v.ImagePixels, 1 << 30},
	} {
		if n.value < 0 || n.value > n.most {
			return fmt.Errorf("vision.%s: %d is out of range", n.name, n.value)
		}
	}
	return nil
}
