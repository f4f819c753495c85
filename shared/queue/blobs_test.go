package queue_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/queue"
	"github.com/penstock-dev/penstock/shared/testenv"
)

func TestABlobComesBackAsItWas(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	gw, wk := b.Gateway(queue.Options{}).Blobs(), b.Worker(queue.Options{}).Blobs()
	ctx := within(t, 60*time.Second)
	for _, size := range []int{0, 1, 256 << 10, 256<<10 + 1, 5 << 20} {
		data := make([]byte, size)
		_, _ = rand.Read(data)
		put, err := gw.Put(ctx, "acme", "image/png", short{bytes.NewReader(data)})
		require.NoError(t, err)
		assert.Equal(t, int64(size), put.Size)
		assert.Equal(t, sha256.Sum256(data), put.SHA256)
		assert.Regexp(t, `^blob_[a-z2-7]{26}$`, put.Ref)

		found, got, err := wk.Read(ctx, "acme", put.Ref, int64(size))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(data, got), size)
		assert.Equal(t, "image/png", found.ContentType)
		assert.WithinDuration(t, time.Now(), found.CreatedAt, time.Minute)
		if size > 0 {
			_, _, err = wk.Read(ctx, "acme", put.Ref, int64(size)-1)
			require.ErrorIs(t, err, queue.ErrTooLarge)
		}
	}
}

// short never fills what it is given.
type short struct{ r io.Reader }

func (o short) Read(p []byte) (int, error) { return o.r.Read(p[:max(1, len(p)-1)]) }

func TestABlobIsItsTenantsAlone(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	q := b.Gateway(queue.Options{})
	ctx := within(t, 20*time.Second)
	put, err := q.Blobs().Put(ctx, "acme", "text/plain", strings.NewReader("hello"))
	require.NoError(t, err)
	for _, ref := range []string{"", "blob_", put.Ref + "x", strings.ToUpper(put.Ref), "blob_" + strings.Repeat("a", 26), "../" + put.Ref} {
		_, err := q.Blobs().Stat(ctx, "acme", ref)
		require.ErrorIs(t, err, queue.ErrNotFound, ref)
	}
	_, err = q.Blobs().Stat(ctx, "other", put.Ref)
	require.ErrorIs(t, err, queue.ErrNotFound)
	_, _, err = q.Blobs().Open(ctx, "other", put.Ref)
	require.ErrorIs(t, err, queue.ErrNotFound)
	require.ErrorIs(t, q.Blobs().Delete(ctx, "other", put.Ref), queue.ErrNotFound)
	_, err = q.Inputs().Stat(ctx, "acme", put.Ref)
	require.ErrorIs(t, err, queue.ErrNotFound)

	require.NoError(t, q.Blobs().Delete(ctx, "acme", put.Ref))
	_, err = q.Blobs().Stat(ctx, "acme", put.Ref)
	require.ErrorIs(t, err, queue.ErrNotFound)
}

func TestABrokenUploadLeavesNothing(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	q := b.Gateway(queue.Options{})
	stream := objects(t, b, "BLOBS")
	broken := errors.New("the caller has gone")
	for _, err := range []error{broken, io.ErrUnexpectedEOF} {
		_, got := q.Blobs().Put(t.Context(), "acme", "text/plain", io.MultiReader(
			bytes.NewReader(make([]byte, 600<<10)), failing{err}))
		require.ErrorIs(t, got, err)
		require.Zero(t, count(t, stream))
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestABlobEndsWithItsTime(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	q := b.Gateway(queue.Options{BlobTTL: time.Second})
	put, err := q.Blobs().Put(t.Context(), "acme", "text/plain", strings.NewReader("hello"))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := q.Blobs().Stat(t.Context(), "acme", put.Ref)
		return errors.Is(err, queue.ErrNotFound)
	}, 20*time.Second, 50*time.Millisecond)
}

func TestAFullStoreTakesNoBlob(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	q := b.Gateway(queue.Options{BlobBytes: 1 << 20})
	_, err := q.Blobs().Put(t.Context(), "acme", "text/plain", bytes.NewReader(make([]byte, 2<<20)))
	require.ErrorIs(t, err, queue.ErrFull)
	require.Zero(t, count(t, objects(t, b, "BLOBS")))
	_, err = q.Blobs().Put(t.Context(), "acme", "text/plain", bytes.NewReader(make([]byte, 512<<10)))
	require.NoError(t, err)
}

func TestABoundThatTheDiskCannotHoldIsTheDisks(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	q := b.Gateway(queue.Options{BlobBytes: 1 << 60})
	_, err := q.Blobs().Put(t.Context(), "acme", "text/plain", strings.NewReader("hello"))
	require.NoError(t, err)
}

func TestALostChunkIsNoticed(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	q := b.Gateway(queue.Options{})
	put, err := q.Blobs().Put(t.Context(), "acme", "text/plain", bytes.NewReader(make([]byte, 600<<10)))
	require.NoError(t, err)
	stream := objects(t, b, "BLOBS")
	require.NoError(t, stream.DeleteMsg(t.Context(), 2))
	_, _, err = q.Blobs().Read(t.Context(), "acme", put.Ref, 1<<20)
	require.ErrorIs(t, err, queue.ErrNotFound)
}

// An operator's tools know the format.
func TestTheClientLibraryReadsABlob(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	q := b.Gateway(queue.Options{})
	data := bytes.Repeat([]byte("penstock"), 100_000)
	put, err := q.Blobs().Put(t.Context(), "acme", "text/plain", bytes.NewReader(data))
	require.NoError(t, err)
	_, js := client(t, b)
	store, err := js.ObjectStore(t.Context(), "BLOBS")
	require.NoError(t, err)
	got, err := store.GetBytes(t.Context(), "acme/"+put.Ref)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(data, got))
	require.NoError(t, store.Delete(t.Context(), "acme/"+put.Ref))
	_, err = q.Blobs().Stat(t.Context(), "acme", put.Ref)
	require.ErrorIs(t, err, queue.ErrNotFound)
}

func TestAWorkerMayNotTouchTheStreamsThemselves(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	q := b.Gateway(queue.Options{})
	wk := b.Worker(queue.Options{})
	ctx := within(t, 30*time.Second)
	put, err := wk.Blobs().Put(ctx, "acme", "text/plain", strings.NewReader("an output"))
	require.NoError(t, err)
	in, err := q.Inputs().Put(ctx, "acme", "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	require.NoError(t, wk.Inputs().Delete(ctx, "acme", in.Ref))

	nc, err := nats.Connect(b.WorkerURL())
	require.NoError(t, err)
	defer nc.Close()
	for _, subject := range []string{
		"$JS.API.STREAM.DELETE.OBJ_BLOBS", "$JS.API.STREAM.UPDATE.OBJ_BLOBS", "$JS.API.STREAM.CREATE.X",
		"$JS.API.STREAM.PURGE.JOBS", "$JS.API.STREAM.PURGE.EVENTS", "$JS.API.STREAM.DELETE.JOBS",
	} {
		soon, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		_, err := nc.RequestWithContext(soon, subject, nil)
		cancel()
		require.Error(t, err, subject)
	}
	_, err = q.Blobs().Stat(ctx, "acme", put.Ref)
	require.NoError(t, err)
}

// client is a connection of the library's own.
func client(t *testing.T, b *testenv.Broker) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(b.GatewayURL())
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	return nc, js
}

func objects(t *testing.T, b *testenv.Broker, bucket string) jetstream.Stream {
	t.Helper()
	_, js := client(t, b)
	s, err := js.Stream(t.Context(), "OBJ_"+bucket)
	require.NoError(t, err)
	return s
}

func count(t *testing.T, s jetstream.Stream) uint64 {
	t.Helper()
	info, err := s.Info(t.Context())
	require.NoError(t, err)
	return info.State.Msgs
}
