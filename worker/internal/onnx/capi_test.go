package onnx_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPositions holds our positions in ONNX Runtime's table against its own header, of which the module of the binding
// that we measure against has a copy.
func TestPositions(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	require.NoError(t, err)
	own, err := os.ReadFile("capi.h")
	require.NoError(t, err)
	ours := regexp.MustCompile(`(?m)^\tPST_([A-Z]\w+[a-z]\w*) = (\d+),$`).FindAllStringSubmatch(string(own), -1)
	require.Greater(t, len(ours), 35)

	var c strings.Builder
	c.WriteString("#include <stddef.h>\n#include \"onnxruntime_c_api.h\"\n")
	for _, p := range ours {
		fmt.Fprintf(&c, "_Static_assert(offsetof(OrtApi, %s) == %s * sizeof(void *), \"%s\");\n", p[1], p[2], p[1])
	}
	for ours, theirs := range map[string]string{
		"1": "ONNX_TYPE_TENSOR", "8": "ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING", "4": "ORT_LOGGING_LEVEL_FATAL",
		"1 ": "OrtArenaAllocator", "0": "OrtMemTypeDefault", "2": "ORT_INVALID_ARGUMENT",
	} {
		fmt.Fprintf(&c, "_Static_assert(%s == %s, \"%s\");\n", ours, theirs, theirs)
	}
	source := filepath.Join(t.TempDir(), "positions.c")
	require.NoError(t, os.WriteFile(source, []byte(c.String()), 0o600))
	said, err := exec.CommandContext(t.Context(), "cc", "-fsyntax-only", "-I", strings.TrimSpace(string(out)), source).CombinedOutput()
	assert.NoError(t, err, string(said))
}
