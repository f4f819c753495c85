package input_test

import (
	"strings"
	"testing"

	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/shared/job"
)

// BenchmarkCheckChat is what the gateway adds to a chat of 20 messages of 200 bytes.
func BenchmarkCheckChat(b *testing.B) {
	turn := `{"role":"user","content":"` + strings.Repeat("word ", 40) + `"},{"role":"assistant","content":"` + strings.Repeat("word ", 40) + `"},`
	in := []byte(`{"messages":[` + strings.TrimSuffix(strings.Repeat(turn, 10), ",") + `],"temperature":0.7,"max_tokens":100}`)
	about := &job.About{Context: 1 << 20, TokenBytes: 16}
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if _, err := input.CheckChat(in, about); err != nil {
			b.Fatal(err)
		}
	}
}
