// Package generate runs decoders with a KV cache, as optimum and the onnx-community export them: a prompt goes in by
// chunks, and then one token a step comes out, of all sequences at once. Everything about a model is read from its
// graph and its configuration files.
//
// The KV cache of the sequences that decode is one lane: for each tensor of the cache a slab that holds all rows, padded
// to the longest. A run reads one slab and writes the other, and the two change places; nothing is copied from step to
// step. A sequence that joins is one row more at the end, and one that leaves is replaced by the last row. A prompt is
// worked through in a lane of its own, one chunk a step, turn by turn with the steps that decode.
package generate
