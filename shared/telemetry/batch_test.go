package telemetry_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/telemetry"
)

func TestBatchWriterKeepsEveryLineWhole(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := telemetry.NewBatchWriter(&out)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 500 {
				_, _ = fmt.Fprintf(w, "%d %d\n", i, j)
			}
		})
	}
	wg.Wait()
	w.Close()
	next := map[int]int{}
	for line := range strings.Lines(out.String()) {
		var i, j int
		_, err := fmt.Sscanf(line, "%d %d\n", &i, &j)
		require.NoError(t, err, line)
		assert.Equal(t, next[i], j, "in order")
		next[i]++
	}
	for i := range 8 {
		assert.Equal(t, 500, next[i])
	}
	_, _ = w.Write([]byte("late\n"))
	assert.Contains(t, out.String(), "late")
}

// stuck lets nothing through until it is released.
type stuck struct {
	release chan struct{}
	mu      sync.Mutex
	n       int
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.release
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n += len(p)
	return len(p), nil
}

func TestBatchWriterIsBounded(t *testing.T) {
	t.Parallel()
	out := &stuck{release: make(chan struct{})}
	w := telemetry.NewBatchWriter(out)
	line := bytes.Repeat([]byte("x"), 64<<10)
	written := make(chan int, 100)
	go func() {
		for i := range 40 {
			_, _ = w.Write(line)
			written <- i
		}
		close(written)
	}()
	for range 17 {
		<-written
	}
	close(out.release)
	for range written {
	}
	w.Close()
	assert.Equal(t, 40*len(line), out.n)
}
