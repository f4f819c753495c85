package runner

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstock-dev/penstock/worker/internal/engine"
)

func TestNeighboringDeltasMerge(t *testing.T) {
	t.Parallel()
	text := func(s string) engine.Event { return engine.Event{Delta: []byte(s)} }
	end := engine.Event{Done: true, Delta: []byte(`{"text":"z"}`)}
	got := mergeDeltas([]engine.Event{
		text(`{"reasoning":"a"}`), text(`{"reasoning":"b"}`), text(`{"text":"c"}`), text(`{"text":"d"}`), text(`{"tool_calls":[]}`), text(`{"text":"e"}`), end,
	})
	var said []string
	for _, e := range got {
		said = append(said, string(e.Delta))
	}
	assert.Equal(t, []string{`{"reasoning":"ab"}`, `{"text":"cd"}`, `{"tool_calls":[]}`, `{"text":"e"}`, `{"text":"z"}`}, said)
	assert.True(t, got[len(got)-1].Done)
}
