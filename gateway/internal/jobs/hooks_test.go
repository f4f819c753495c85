package jobs

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
)

// hookBook is a Hooks that remembers.
type hookBook struct {
	d *desk

	mu        sync.Mutex
	expected  []string // guarded by mu
	forgotten []string // guarded by mu
}

func (b *hookBook) Check(w *job.Webhook) error {
	if w.URL == "" {
		return fault.Invalid("webhook.url", "is needed")
	}
	return nil
}

func (b *hookBook) Expect(ctx context.Context, j *job.Job, w *job.Webhook) (func(context.Context), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w.URL == "down" {
		return nil, assert.AnError
	}
	_, _, err := b.d.queue.Find(ctx, j.Tenant, j.ID)
	assert.ErrorIs(b.d.t, err, queue.ErrNotFound, "the webhook is stored before the job") //nolint:testifylint // not in the test's goroutine
	j.Hooks = w.Hooks()
	b.expected = append(b.expected, j.ID)
	return func(context.Context) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.forgotten = append(b.forgotten, j.ID)
	}, nil
}

func TestAWebhookIsStoredBeforeItsJob(t *testing.T) {
	t.Parallel()
	d := open(t)
	with := func(url string) job.Request {
		r := request()
		r.Webhook = &job.Webhook{URL: url, Events: []string{job.HookStarted, job.HookDone}}
		return r
	}
	_, err := d.Submit(t.Context(), anyone(), with("https://example.com"))
	assert.Equal(t, "webhook", fault.From(err).Field, "where nobody delivers")
	book := &hookBook{d: d}
	d.cfg.Hooks = book
	_, err = d.Submit(t.Context(), anyone(), with(""))
	assert.Equal(t, "webhook.url", fault.From(err).Field)
	_, err = d.Submit(t.Context(), anyone(), with("down"))
	assert.Equal(t, fault.Overloaded, fault.CodeOf(err))
	_, err = d.Submit(t.Context(), anyone(), request())
	require.NoError(t, err)
	assert.Empty(t, book.expected, "none of these")

	sub, err := d.Submit(t.Context(), anyone(), with("https://example.com"))
	require.NoError(t, err)
	id := sub.State.Job.ID
	assert.Equal(t, []string{id}, book.expected)
	j, _, err := d.queue.Find(t.Context(), "acme", id)
	require.NoError(t, err)
	assert.Equal(t, "started,done", j.Hooks)

	keyed := with("https://example.com")
	keyed.Key, keyed.Route, keyed.Fingerprint = "k", "r", "f"
	for range 2 {
		_, err = d.Submit(t.Context(), anyone(), keyed)
		require.NoError(t, err)
	}
	assert.Len(t, book.expected, 2, "a repeat has the first one's")
	assert.Empty(t, book.forgotten)

	wordy := anyone()
	wordy.Subject = strings.Repeat("s", 5<<20) // more than the broker takes
	_, err = d.Submit(t.Context(), wordy, with("https://example.com"))
	require.Error(t, err)
	assert.Equal(t, book.expected[2:], book.forgotten)
}
