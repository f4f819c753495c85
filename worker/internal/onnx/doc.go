// Package onnx runs ONNX models: the runtime's library, sessions with their device, tensors whose memory is used again,
// and a header reader that tells what a model file takes and gives without loading it. It is the only package that
// touches ONNX Runtime, and the only one that leaves Go's memory. It knows models and tensors, not jobs.
package onnx
