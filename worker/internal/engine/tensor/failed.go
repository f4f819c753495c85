package tensor

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// failed makes a fault of a run that failed. Where an operator of the graph gave up, the values or the free dimensions
// are to blame, as types and fixed dimensions have been checked: another try would end the same. Memory that could not
// be had is nobody's fault, and may be there the next time.
func (e *Engine) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	var o *onnx.Error
	if !errors.As(err, &o) {
		return err
	}
	if onnx.IsMemory(err) {
		return fault.Wrap(fault.Overloaded, err, "the model found no memory for this input")
	}
	operator := operatorIn(o.Message)
	if operator == "" && !onnx.IsInvalid(err) {
		return err
	}
	f := fault.Invalid("inputs", "the model can't take them: %s", reasonIn(o.Message))
	if operator != "" {
		f = fault.Invalid("inputs", "the model can't take them: its operator %s failed: %s", operator, reasonIn(o.Message))
	}
	f.Cause = err
	return f
}

// operatorIn is the operator in which a run failed, as the runtime's sentence has it.
func operatorIn(message string) string {
	_, rest, _ := strings.Cut(message, "while running ")
	op, _, found := strings.Cut(rest, " node")
	if !found || len(op) > 64 {
		return ""
	}
	return op
}

// reasonIn is the sentence itself, without what only says where in the runtime it comes from.
func reasonIn(message string) string {
	if _, after, found := strings.Cut(message, "Status Message: "); found {
		message = after
	}
	if _, after, found := strings.Cut(message, " was false. "); found {
		message = after
	}
	message = regexp.MustCompile(`\S*/\S*:\d+ \S+ [\w:]+(\([^)]*\))? `).ReplaceAllString(message, "")
	const most = 300
	if len(message) > most {
		message = strings.ToValidUTF8(message[:most], "") + "…"
	}
	return message
}
