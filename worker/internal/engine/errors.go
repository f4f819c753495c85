package engine

import "errors"

// ErrBusy says that a Generator has no room now; the request waits its turn.
var ErrBusy = errors.New("engine: no room for another sequence")
