package onnx

/*
#cgo linux LDFLAGS: -ldl
#include <stdlib.h>
#include "capi.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"
)

// OldestVersion is the oldest ONNX Runtime that has the interface we are built for.
const OldestVersion = "1.24"

// remedy ends every sentence about a library that is missing or unfit.
const remedy = "run `make onnxruntime`, or name a library in PENSTOCK_ONNXRUNTIME"

// Runtime is ONNX Runtime itself, once a process.
type Runtime struct {
	path     string
	version  string
	sessions atomic.Int64 // open sessions
}

// Locate finds the library: explicit is a file or a folder that holds one, and where it is empty dataDir/onnxruntime
// is looked through. The error says which files were looked for.
func Locate(explicit, dataDir string) (string, error) {
	place := explicit
	if place == "" {
		place = filepath.Join(dataDir, "onnxruntime")
	}
	st, err := os.Stat(place)
	if err == nil && !st.IsDir() {
		return place, nil
	}
	if err == nil {
		for _, pattern := range libraryPatterns() {
			found, _ := filepath.Glob(filepath.Join(place, pattern)) // the only error is a bad pattern
			if len(found) > 0 {
				slices.Sort(found)
				return found[len(found)-1], nil
			}
		}
		place = filepath.Join(place, libraryPatterns()[0])
	} else if explicit == "" {
		place = filepath.Join(place, libraryPatterns()[0])
	}
	return "", fmt.Errorf("ONNX Runtime: no library found; looked for %s; %s", place, remedy)
}

// libraryPatterns are the names that the library goes by on this system, the likeliest first.
func libraryPatterns() []string {
	switch runtime.GOOS {
	case "darwin":
		return []string{"libonnxruntime*.dylib", "lib/libonnxruntime*.dylib"}
	case "windows":
		return []string{"onnxruntime.dll", "lib/onnxruntime.dll"}
	}
	return []string{"libonnxruntime.so*", "lib/libonnxruntime.so*"}
}

// loaded is the library that this process has open; there can be one.
//
//nolint:gochecknoglobals // ONNX Runtime's own state is the process's
var loaded struct {
	mu      sync.Mutex
	path    string // guarded by mu
	version string // guarded by mu
	users   int    // guarded by mu: Runtimes not yet closed
	limit   int64  // guarded by mu: of Limit; 0 when there is none
}

// Open loads the library at path and starts the runtime. A process has one library: opening it again shares it, and
// opening another is an error.
func Open(path string) (*Runtime, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("ONNX Runtime: the library can't be read; looked for %s; %s: %w", path, remedy, err)
	}
	abs, err := filepath.Abs(path) // a bare name would be searched for in the system's folders
	if err != nil {
		return nil, fmt.Errorf("ONNX Runtime: %w", err)
	}
	loaded.mu.Lock()
	defer loaded.mu.Unlock()
	if loaded.users > 0 && loaded.path != abs {
		return nil, fmt.Errorf("ONNX Runtime: this process has already opened %s", loaded.path)
	}
	if loaded.users == 0 {
		version, err := start(abs)
		if err != nil {
			return nil, fmt.Errorf("ONNX Runtime: %w; looked for %s; %s", err, path, remedy)
		}
		loaded.path, loaded.version = abs, version
	}
	loaded.users++
	return &Runtime{path: abs, version: loaded.version}, nil
}

// start loads the library, and says in a word why it can't be.
func start(path string) (string, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var version *C.char
	switch C.pst_open(name, &version) {
	case C.PST_OK:
		return C.GoString(version), nil
	case C.PST_NO_LIBRARY:
		return "", errors.New("the file is no library that this machine can load")
	case C.PST_NO_BASE:
		return "", errors.New("the file is a library, but not ONNX Runtime")
	case C.PST_TOO_OLD:
		return "", errors.New("the library is older than " + OldestVersion)
	}
	return "", errors.New("it did not start")
}

// Path is where the library was loaded from.
func (r *Runtime) Path() string { return r.path }

// Version is the library's own version, "1.27.0".
func (r *Runtime) Version() string { return r.version }

// Limit bounds the memory that runs of the process's Limited sessions take together, in bytes; their weights do not count.
// The first call settles it.
func (r *Runtime) Limit(bytes int64) error {
	loaded.mu.Lock()
	defer loaded.mu.Unlock()
	if loaded.limit != 0 {
		return nil
	}
	if bytes <= 0 {
		return fmt.Errorf("ONNX Runtime: a limit of %d bytes", bytes)
	}
	if err := failure(C.pst_limit(C.size_t(bytes))); err != nil {
		return fmt.Errorf("ONNX Runtime: %w", err)
	}
	loaded.limit = bytes
	return nil
}

// Close stops the runtime and unloads the library. Sessions still open are an error, and then nothing is closed.
func (r *Runtime) Close() error {
	if n := r.sessions.Load(); n != 0 {
		return fmt.Errorf("ONNX Runtime: %d sessions are still open", n)
	}
	loaded.mu.Lock()
	defer loaded.mu.Unlock()
	if loaded.users--; loaded.users > 0 {
		return nil
	}
	C.pst_close()
	loaded.limit = 0
	return nil
}
