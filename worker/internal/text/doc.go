// Package text turns text into tokens as a model's own tokenizer does. A tokenizer is a row of stages, each a kind of
// its own with one file: added tokens are cut out first, then the normalizer rewrites what is left, the pre-tokenizer
// cuts it into words, the model cuts words into tokens, and the post-processor puts special tokens around them.
// Offsets are code points of the original text throughout.
package text
