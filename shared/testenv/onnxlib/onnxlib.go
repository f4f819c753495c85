// Package onnxlib finds the ONNX Runtime library for tests. It is test-only.
package onnxlib

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Find is the library's path: PENSTOCK_ONNXRUNTIME where it is set, and else what `make onnxruntime` put under
// data/onnxruntime of the repository. Without one the test fails; it is never skipped.
func Find(tb testing.TB) string {
	tb.Helper()
	place := os.Getenv("PENSTOCK_ONNXRUNTIME") //nolint:forbidigo // tests have no configuration
	if place == "" {
		place = filepath.Join(Root(tb), "data", "onnxruntime")
	}
	st, err := os.Stat(place)
	if err == nil && !st.IsDir() {
		return place
	}
	for _, pattern := range []string{"libonnxruntime.so*", "lib/libonnxruntime.so*", "libonnxruntime*.dylib", "lib/libonnxruntime*.dylib"} {
		found, err := filepath.Glob(filepath.Join(place, pattern))
		if err == nil && len(found) > 0 {
			slices.Sort(found)
			return found[len(found)-1]
		}
	}
	tb.Fatalf("no ONNX Runtime library in %s: run `make onnxruntime`, or name one in PENSTOCK_ONNXRUNTIME", place)
	return ""
}

// Root is the repository's folder.
func Root(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			tb.Fatal("no go.mod above the test's folder")
		}
		dir = up
	}
}
