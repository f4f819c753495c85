// Package engine is what the worker knows about models: two kinds of engine, the requests they take and the results
// they give. Each kind of model is a package below this one.
package engine

import (
	"context"

	"github.com/penstock-dev/penstock/shared/job"
)

// Request is one attempt at one job.
type Request struct {
	JobID   string
	Model   string
	Version string
	Attempt int    // 1-based
	Input   []byte // the engine's own JSON
	Stream  bool   // deltas are wanted
	Rank    int    // among requests that wait for a batch, the least goes first: the more urgent, and whose tenant has no backlog

	Prepared any // what the engine's Preparer made of the request; nil where it has none, or was not asked
}

// Result is the answer to a request.
type Result struct {
	Output       []byte // JSON
	Version      string // the version of the model that ran; the runner sets it
	BatchSize    int    // units that shared the run
	InputTokens  int
	OutputTokens int
}

// Outcome is what became of one unit of a batch: a result, or an error of its own.
type Outcome struct {
	Result Result
	Err    error
}

// Unit is a prepared request, ready to share a batch with units of the same key.
type Unit interface {
	Key() string // units with equal keys may run together: a shape bucket
	Rows() int   // rows it takes in a batch
	Cost() int   // tokens, or another measure of its work
}

// Unary is an engine that answers each request whole. A method MaxTokens() int, where it has one, bounds the costs that
// share a batch if the manifest does not.
type Unary interface {
	// Prepare validates and tokenizes, outside the batch. Errors are faults; invalid_input means it is the caller's.
	Prepare(ctx context.Context, r Request) (Unit, error)
	// RunBatch runs units of one key and returns one outcome a unit, in order. An error is the whole batch's: the
	// runner then tries each unit alone, so that one bad input fails alone. Cancelling ctx ends the run itself. As many
	// calls may be under way at once as the engine was made with instances.
	RunBatch(ctx context.Context, units []Unit) ([]Outcome, error)
	// Close frees what the engine holds. No call may be under way.
	Close() error
}

// Described is an engine, of either kind, that tells what its model takes.
type Described interface {
	About() job.About // does not change
}

// SeqID names a sequence that a Generator has admitted.
type SeqID uint64

// Event is what one step did to one sequence: a delta, or its end.
type Event struct {
	Seq    SeqID
	Delta  []byte // JSON of an output event, {"text":"…"}; nil when the event only ends the sequence
	Done   bool
	Result Result // when Done and Err is nil
	Err    error  // when Done
}

// Preparer is a Generator that has work to do before it admits a request, such as tokenizing. Prepare is called in the
// caller's goroutine, by any number of them at once and while a Step runs, and what it returns comes back in the
// request's Prepared. It holds nothing that has to be given back, as the request may leave before it is admitted.
type Preparer interface {
	Prepare(ctx context.Context, r Request) (any, error)
}

// Generator is an engine that answers step by step. Admit and Cancel may be called while a Step runs, and return at
// once; only one Step runs at a time. A method Slots() int, where it has one, says how many sequences fit.
type Generator interface {
	// Admit takes a request in, or returns ErrBusy while there is no room.
	Admit(ctx context.Context, r Request) (SeqID, error)
	// Step does at most one prefill chunk and one decode step for all sequences. With nothing due yet it waits until
	// something is, a sequence is admitted, or ctx ends.
	Step(ctx context.Context) ([]Event, error)
	// Cancel drops a sequence; no event for it follows.
	Cancel(id SeqID)
	Close() error
}
