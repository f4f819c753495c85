// Package input is the vocabulary of what jobs ask of models: the inputs of the engines generate, vision and upstream
// (Chat), embed (Embed) and tensor (Tensors). The gateway proves an input by it before the job is queued, and the
// worker reads the input by the same code, so that both mean the same. A value that the gateway sees as a reference to
// a blob, {"$ref":"blob_…"}, is passed over there; the worker has put the blob's own value in its place.
//
// Faults are invalid_input with the path of the member, and bad_request where the text is not strict JSON. It is pure.
package input
