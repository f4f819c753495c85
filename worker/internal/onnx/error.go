package onnx

/*
#include "capi.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Error is what ONNX Runtime says when it refuses or fails.
type Error struct {
	Code    int // ONNX Runtime's own
	Message string
}

// invalidArgument is ONNX Runtime's code for an input that does not fit the model.
const invalidArgument = 2

// Error is ONNX Runtime's own sentence, on one line.
func (e *Error) Error() string { return e.Message }

// IsInvalid tells whether a run failed because an input did not have the type or the shape that the model wants. A shape
// that only some operator inside the model can't take is another failure.
func IsInvalid(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == invalidArgument
}

// IsMemory tells whether a run failed because memory could not be had.
func IsMemory(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && slices.ContainsFunc([]string{"Failed to allocate memory", "smaller than requested bytes", "bad alloc", "bad_alloc"},
		func(s string) bool { return strings.Contains(e.Message, s) })
}

// failure takes a status over; nil is success.
func failure(s *C.pst_status) error {
	if s == nil {
		return nil
	}
	defer C.pst_free_status(s)
	return &Error{Code: int(C.pst_error_code(s)), Message: strings.Join(strings.Fields(C.GoString(C.pst_error_message(s))), " ")}
}

// about says which value of a run an error is about: inputs count from 0, outputs after them.
func (s *Session) about(at int, err error) error {
	if at < len(s.inputs) {
		return fmt.Errorf("onnx: input %q: %w", s.inputs[at], err)
	}
	return fmt.Errorf("onnx: output %q: %w", s.outputs[at-len(s.inputs)], err)
}
