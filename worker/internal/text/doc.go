// Package text turns text into tokens and back as a model's own tokenizer does, from tokenizer.json as Hugging Face
// defines it. A tokenizer is a row of stages, each a kind of its own: added tokens are cut out first, then the
// normalizer rewrites what is left, the pre-tokenizer cuts it into words, the model cuts words into tokens, and the
// post-processor puts special tokens around them; the decoder goes the other way. Offsets are code points of the
// original text throughout.
//
// What comes out is what the reference implementation, tokenizers 0.23, gives: the same ids, offsets and decoded text.
// A stage or a setting that is not known is an error when the file is loaded, never an approximation. The fixtures in
// testdata were written by the reference; testdata/shapes.py says how.
package text
