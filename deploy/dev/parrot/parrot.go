// Package parrot is a model server that needs no model: it speaks OpenAI's protocol and says back what it was told, word
// by word. `make run` starts one, so that the engine upstream can be tried where no Ollama, vLLM or llama.cpp is.
package parrot

import (
	"encoding/json"
	"net/http"
	"strings"
)

const maxBody = 8 << 20

// request is what of OpenAI's requests the parrot understands.
type request struct {
	Messages []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	} `json:"messages"`
	Prompt    string `json:"prompt"`
	MaxTokens int    `json:"max_tokens"`
	Stream    bool   `json:"stream"`
}

// New makes the server: /v1/models, /v1/chat/completions and /v1/completions, streamed where asked for. A word is a
// token.
func New() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		write(w, map[string]any{"object": "list", "data": []any{map[string]any{"id": "parrot", "object": "model"}}})
	})
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) { talk(w, r, true) })
	mux.HandleFunc("POST /v1/completions", func(w http.ResponseWriter, r *http.Request) { talk(w, r, false) })
	return mux
}

func talk(w http.ResponseWriter, r *http.Request, chat bool) {
	var in request
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&in); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		write(w, map[string]any{"error": map[string]any{"message": "the body is not a request"}})
		return
	}
	heard := in.Prompt
	if chat {
		heard = in.last()
	}
	words, finish := strings.SplitAfter(heard, " "), "stop"
	if in.MaxTokens > 0 && len(words) > in.MaxTokens {
		words, finish = words[:in.MaxTokens], "length"
	}
	usage := map[string]any{"prompt_tokens": len(strings.Fields(heard)), "completion_tokens": len(words), "total_tokens": len(strings.Fields(heard)) + len(words)}
	if !in.Stream {
		write(w, map[string]any{"object": "chat.completion", "model": "parrot", "choices": []any{choice(chat, "message", strings.Join(words, ""), finish)}, "usage": usage})
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for _, word := range words {
		event(w, map[string]any{"choices": []any{choice(chat, "delta", word, nil)}})
	}
	event(w, map[string]any{"choices": []any{choice(chat, "delta", "", finish)}, "usage": usage})
	_, _ = w.Write([]byte("data: [DONE]\n\n")) // a caller that is gone needs none
}

// last is what the last message says, in its text parts where it comes in parts.
func (r *request) last() string {
	if len(r.Messages) == 0 {
		return ""
	}
	content := r.Messages[len(r.Messages)-1].Content
	var whole string
	if json.Unmarshal(content, &whole) == nil {
		return whole
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(content, &parts) == nil {
		texts := make([]string, len(parts))
		for i, p := range parts {
			texts[i] = p.Text
		}
		whole = strings.Join(texts, "")
	}
	return whole
}

func choice(chat bool, member, text string, finish any) map[string]any {
	if !chat {
		return map[string]any{"index": 0, "text": text, "finish_reason": finish}
	}
	return map[string]any{"index": 0, member: map[string]any{"role": "assistant", "content": text}, "finish_reason": finish}
}

func event(w http.ResponseWriter, v any) {
	_, _ = w.Write([]byte("data: "))
	write(w, v)
	_, _ = w.Write([]byte("\n"))
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}

// write writes a value and a line's end; a caller that is gone needs none.
func write(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }
