package job

// About is what a worker tells of a model beside its name: what it takes, as far as the engine knows. Zero values say
// nothing.
type About struct {
	Context    int    `json:"context,omitempty"`     // tokens of prompt and answer together; of an embedding model, of one text
	TokenBytes int    `json:"token_bytes,omitempty"` // the most bytes of text that one token can stand for, so that a text has at least len/TokenBytes tokens
	Images     bool   `json:"images,omitempty"`      // it takes image parts
	Tools      bool   `json:"tools,omitempty"`       // its chat template knows tools
	Thinking   bool   `json:"thinking,omitempty"`    // its chat template knows think
	Chat       bool   `json:"chat,omitempty"`        // it has a chat template, so it takes messages
	Dimensions int    `json:"dimensions,omitempty"`  // of an embedding
	Inputs     []Spec `json:"inputs,omitempty"`      // of a tensor model
	Outputs    []Spec `json:"outputs,omitempty"`
}

// Spec is one input or output of a tensor model.
type Spec struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"` // FP32, INT64, BYTES, …
	Shape    []int64 `json:"shape"`    // -1 where the size is free; null when the rank is unknown
}
