package queue

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/penstock-dev/penstock/shared/job"
)

const (
	chunksAtOnce  = 4 // of one request: what a reader holds
	chunkTries    = 5 // in a cluster, the copy that answers may be behind
	chunkPause    = 50 * time.Millisecond
	chunksTimeout = 10 * time.Second // for one request's answers
)

// errCorrupt says that what is stored is not what was put there.
var errCorrupt = errors.New("queue: a blob's bytes do not have its digest")

// Open reads a blob, some chunks at a time, for as long as ctx lasts. Its last read fails when the bytes do not
// have the digest.
func (b *Blobs) Open(ctx context.Context, tenant, ref string) (job.Blob, io.Reader, error) {
	info, err := b.info(ctx, tenant, ref)
	if err != nil {
		return job.Blob{}, nil, err
	}
	blob, err := blobOf(ref, info)
	if err != nil {
		return job.Blob{}, nil, err
	}
	return blob, &blobReader{
		ctx: ctx, b: b, subject: chunkSubject(b.bucket, info.NUID), chunks: info.Chunks, want: blob.SHA256, sum: sha256.New(),
	}, nil
}

type blobReader struct {
	ctx     context.Context //nolint:containedctx // a reader has no other way to be told
	b       *Blobs
	subject string
	chunks  uint32 // yet to come
	last    uint64 // sequence of the newest read
	held    [][]byte
	want    [sha256.Size]byte
	sum     hash.Hash
}

// Read gives what is held, and asks for more when nothing is. The last bytes are handed over once all have been proved.
func (r *blobReader) Read(p []byte) (int, error) {
	if len(r.held) == 0 {
		if r.chunks == 0 {
			return 0, io.EOF
		}
		if err := r.fetch(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.held[0])
	r.sum.Write(p[:n])
	if r.held[0] = r.held[0][n:]; len(r.held[0]) == 0 {
		r.held = r.held[1:]
	}
	if len(r.held) == 0 && r.chunks == 0 && [sha256.Size]byte(r.sum.Sum(nil)) != r.want {
		return 0, errCorrupt
	}
	return n, nil
}

// fetch asks for the next chunks, again while a copy that is behind has none.
func (r *blobReader) fetch() error {
	for try := 1; ; try++ {
		err := r.ask()
		if err != nil || len(r.held) > 0 {
			return err
		}
		if try == chunkTries {
			return fmt.Errorf("%w: its chunks are gone", ErrNotFound)
		}
		if err := pause(r.ctx, chunkPause); err != nil {
			return err
		}
	}
}

func (r *blobReader) ask() error {
	req, err := json.Marshal(map[string]any{"seq": r.last + 1, "next_by_subj": r.subject, "batch": min(chunksAtOnce, r.chunks)})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.ctx, chunksTimeout)
	defer cancel()
	return r.b.q.direct(ctx, objectStream(r.b.bucket), req, func(m *nats.Msg, seq uint64) (bool, error) {
		if len(m.Data) > 0 {
			r.held = append(r.held, m.Data)
		}
		r.last = seq
		r.chunks--
		return len(r.held) == chunksAtOnce || r.chunks == 0, nil
	})
}
