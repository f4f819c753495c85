package vision

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/worker/internal/engine/folder"
	"github.com/penstock-dev/penstock/worker/internal/text"
)

// The files that say how a model sees.
const (
	configFile    = "config.json"
	processorFile = "preprocessor_config.json"
	combinedFile  = "processor_config.json" // newer exports keep the same in its image_processor
)

// maxConfig bounds one of these files in bytes.
const maxConfig = 16 << 20

// config is what config.json says.
type config struct {
	image        int32 // the token that stands for an image; -1: not said
	merge, patch int   // 0: not said
}

type rawConfig struct {
	Token  *int32 `json:"image_token_id"`
	Index  *int32 `json:"image_token_index"`
	Vision struct {
		Merge int `json:"spatial_merge_size"`
		Patch int `json:"patch_size"`
	} `json:"vision_config"`
}

func readConfig(files *folder.Folder) (*config, error) {
	b, err := files.Read(configFile, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the manifest lists no %s", configFile)
	}
	if err != nil {
		return nil, err
	}
	var r rawConfig
	if err := json.Unmarshal(b, &r, jsontext.AllowDuplicateNames(true)); err != nil {
		return nil, fmt.Errorf("%s: %w", configFile, err)
	}
	c := &config{image: -1, merge: r.Vision.Merge, patch: r.Vision.Patch}
	for _, id := range []*int32{r.Index, r.Token} {
		if id != nil {
			c.image = *id
		}
	}
	return c, nil
}

// imageToken is the token that stands for an image in a prompt.
func (c *config) imageToken(t *text.Tokenizer) (int32, error) {
	if c.image >= 0 {
		if t.Token(c.image) == "" {
			return 0, fmt.Errorf("%s: image_token_id %d is not in the vocabulary", configFile, c.image)
		}
		return c.image, nil
	}
	for _, name := range []string{"<|image_pad|>", "<|image|>"} {
		if id, ok := t.ID(name); ok {
			return id, nil
		}
	}
	return 0, fmt.Errorf("%s names no image_token_id", configFile)
}

// processorConfig finds the configuration of the image processor, and says where.
func processorConfig(files *folder.Folder) (b []byte, name string, err error) {
	b, err = files.Read(processorFile, maxConfig)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return b, processorFile, err
	}
	b, err = files.Read(combinedFile, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("the manifest lists no %s, which says how pictures are prepared", processorFile)
	}
	if err != nil {
		return nil, "", err
	}
	var combined struct {
		Image jsontext.Value `json:"image_processor"`
	}
	if err := json.Unmarshal(b, &combined); err != nil {
		return nil, "", fmt.Errorf("%s: %w", combinedFile, err)
	}
	if combined.Image.Kind() != '{' {
		return nil, "", fmt.Errorf("%s has no image_processor", combinedFile)
	}
	return combined.Image, combinedFile, nil
}
