package inspect

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"

	"github.com/go-json-experiment/json"

	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/tensor"
)

// Example is an input that any model of an engine answers, however little sense it makes.
func Example(engine string, about *job.About) ([]byte, error) {
	switch engine {
	case "uninlu":
		return []byte(`{"text":"谷爱凌在北京获得金牌","schema":{"人物":null,"地理位置":null}}`), nil
	case "embed":
		return []byte(`{"input":"Hello, 世界!"}`), nil
	case "tensor":
		return zeros(about)
	case "sleep":
		return []byte(`{"ms":1}`), nil
	case "vision":
		url, err := picture()
		return fmt.Appendf(nil, `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"%s"}},{"type":"text","text":"What is this?"}]}],"max_tokens":8}`, url), err
	case "generate", "upstream":
		if about.Chat {
			return []byte(`{"messages":[{"role":"user","content":"Hello"}],"max_tokens":8}`), nil
		}
		return []byte(`{"prompt":"Hello","max_tokens":8}`), nil
	}
	return nil, fmt.Errorf("nobody has written an example for engine %q", engine)
}

// picture is a red square as a data URL.
func picture() (string, error) {
	const side = 56
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range side * side {
		img.Set(i%side, i/side, color.RGBA{R: 0xe0, A: 0xff})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return "", err
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

// zeros gives every input of a tensor model zeros, with 1 where a size is free.
func zeros(about *job.About) ([]byte, error) {
	type in struct {
		Name     string  `json:"name"`
		Datatype string  `json:"datatype"`
		Shape    []int64 `json:"shape"`
		Raw      []byte  `json:"raw"`
	}
	var all []in
	for _, s := range about.Inputs {
		x := in{Name: s.Name, Datatype: s.Datatype, Shape: []int64{}}
		for _, d := range s.Shape {
			if d < 0 {
				d = 1
			}
			x.Shape = append(x.Shape, d)
		}
		n, err := tensor.Elements(x.Shape)
		if err != nil || n > 1<<24 {
			return nil, fmt.Errorf("input %q of shape %v is too large to be tried", s.Name, s.Shape)
		}
		size := int64(4) // a string's length
		if d := tensor.Parse(s.Datatype); d != tensor.String {
			size = int64(d.Bits() / 8)
		}
		x.Raw = make([]byte, n*size)
		all = append(all, x)
	}
	return json.Marshal(map[string]any{"inputs": all})
}
