package queue

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/penstock-dev/penstock/shared/job"
)

const (
	chunkSize      = 256 << 10 // below any server's bound on a message
	chunkTimeout   = 10 * time.Second
	cleanTimeout   = 5 * time.Second
	contentType    = "Content-Type"
	digestPrefix   = "SHA-256="
	blobNameLength = 26

	// inputRetention is as long as a job may be scheduled, live, and be a dead letter.
	inputRetention = 62 * 24 * time.Hour
)

// Blobs keeps byte strings of any size under references that it makes, each for one tenant alone. It is an object store
// of JetStream and keeps that one's format, so that an operator's tools can read it; it writes and reads by itself,
// because the client library's own writer sends a chunk again from a buffer that holds the next one by then, and its
// reader needs a consumer a read.
type Blobs struct {
	q      *Queue
	bucket string
	prefix string // of the references
	stream jetstream.Stream
	chunks sync.Pool // of *[]byte, to be used again
}

// Blobs holds what clients upload, and outputs too large for a message, for Options.BlobTTL.
func (q *Queue) Blobs() *Blobs { return &q.blobs }

// Inputs holds inputs too large for a message, until their jobs have ended. That of a failed one is kept until its time is
// over, so that the job can be tried again.
func (q *Queue) Inputs() *Blobs { return &q.inputs }

// BlobTTL is how long a blob is kept.
func (q *Queue) BlobTTL() time.Duration { return q.opts.BlobTTL }

// openBlobs makes the buckets, or finds them.
func (q *Queue) openBlobs(ctx context.Context) error {
	for _, b := range []struct {
		into *Blobs
		cfg  jetstream.ObjectStoreConfig
	}{
		{&q.blobs, jetstream.ObjectStoreConfig{Bucket: blobsBucket, TTL: q.opts.BlobTTL, MaxBytes: q.opts.BlobBytes}},
		{&q.inputs, jetstream.ObjectStoreConfig{Bucket: inputsBucket, TTL: inputRetention, MaxBytes: q.opts.MaxBytes}},
	} {
		b.cfg.Storage, b.cfg.Replicas = jetstream.FileStorage, q.opts.Replicas
		var err error
		if !q.opts.Join {
			err = q.makeBucket(ctx, b.cfg)
		}
		if err == nil {
			b.into.stream, err = q.js.Stream(ctx, objectStream(b.cfg.Bucket))
		}
		if err != nil {
			return fmt.Errorf("queue: bucket %s: %w", b.cfg.Bucket, err)
		}
		b.into.q, b.into.bucket = q, b.cfg.Bucket
	}
	q.blobs.prefix, q.inputs.prefix = job.BlobPrefix, job.InputPrefix
	return nil
}

// makeBucket makes a bucket within its bound. The broker sets a bound's room aside and refuses one that the disk cannot
// hold; a small disk is then the bound.
func (q *Queue) makeBucket(ctx context.Context, cfg jetstream.ObjectStoreConfig) error {
	_, err := q.js.CreateOrUpdateObjectStore(ctx, cfg)
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == codeStorageExceeded && cfg.MaxBytes > 0 {
		q.log.WarnContext(ctx, "the broker's disk has no room for the bound of a bucket, and bounds it instead",
			"bucket", cfg.Bucket, "bytes", cfg.MaxBytes)
		cfg.MaxBytes = 0
		_, err = q.js.CreateOrUpdateObjectStore(ctx, cfg)
	}
	return err
}

// Put stores what r gives, a piece at a time, and names it. When r fails, its error is returned and nothing is kept.
// ErrFull and ErrUnavailable are the broker's.
func (b *Blobs) Put(ctx context.Context, tenant, mediaType string, r io.Reader) (job.Blob, error) {
	ctx = context.WithoutCancel(ctx) // r says when to stop, and what was stored by then must be taken away
	blob := job.Blob{Ref: b.prefix + newName(), ContentType: mediaType, CreatedAt: job.Stamp(time.Now())}
	info := &jetstream.ObjectInfo{
		ObjectMeta: jetstream.ObjectMeta{
			Name: objectName(tenant, blob.Ref), Headers: nats.Header{contentType: {mediaType}},
			Opts: &jetstream.ObjectMetaOptions{ChunkSize: chunkSize},
		},
		Bucket: b.bucket, NUID: newName(), ModTime: blob.CreatedAt,
	}
	err := b.putChunks(ctx, info, r)
	if err == nil {
		err = b.putInfo(ctx, info)
	}
	if err != nil {
		return job.Blob{}, b.undo(ctx, info, err)
	}
	return blobOf(blob.Ref, info)
}

func (b *Blobs) putChunks(ctx context.Context, info *jetstream.ObjectInfo, r io.Reader) error {
	sum := sha256.New()
	lent, ok := b.chunks.Get().(*[]byte)
	if !ok {
		fresh := make([]byte, chunkSize)
		lent = &fresh
	}
	defer b.chunks.Put(lent)
	chunk := *lent
	for {
		n, ended, err := fill(r, chunk)
		if err != nil {
			return err
		}
		if n > 0 {
			sum.Write(chunk[:n])
			if err := b.putChunk(ctx, info, chunk[:n]); err != nil {
				return err
			}
			info.Chunks++
			info.Size += uint64(n)
		}
		if ended {
			info.Digest = digestPrefix + base64.URLEncoding.EncodeToString(sum.Sum(nil))
			return nil
		}
	}
}

// fill reads until chunk is full or r ends. Unlike io.ReadFull, it keeps a broken reader's io.ErrUnexpectedEOF apart
// from an end.
func fill(r io.Reader, chunk []byte) (n int, ended bool, err error) {
	for n < len(chunk) && err == nil {
		var m int
		m, err = r.Read(chunk[n:])
		n += m
	}
	if errors.Is(err, io.EOF) {
		return n, true, nil
	}
	return n, false, err
}

func (b *Blobs) putChunk(ctx context.Context, info *jetstream.ObjectInfo, chunk []byte) error {
	return b.put(ctx, &nats.Msg{
		Subject: chunkSubject(b.bucket, info.NUID), Data: chunk,
		// A second try, after an answer that was lost, must not store a second copy.
		Header: nats.Header{jetstream.MsgIDHeader: {info.NUID + "." + strconv.FormatUint(uint64(info.Chunks), 10)}},
	})
}

func (b *Blobs) putInfo(ctx context.Context, info *jetstream.ObjectInfo) error {
	data, err := json.Marshal(info)
	if err != nil {
		return fmt.Errorf("queue: blob: %w", err)
	}
	return b.put(ctx, &nats.Msg{
		Subject: infoSubject(b.bucket, info.Name), Data: data, Header: nats.Header{jetstream.MsgIDHeader: {info.NUID}},
	})
}

func (b *Blobs) put(ctx context.Context, m *nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, chunkTimeout)
	defer cancel()
	_, err := b.q.store(ctx, m, nil)
	return err
}

// undo takes away what was stored of a blob that cannot be completed; cause says why.
func (b *Blobs) undo(ctx context.Context, info *jetstream.ObjectInfo, cause error) error {
	if err := b.purge(ctx, info); err != nil {
		b.q.log.WarnContext(ctx, "a part of a blob is left until its time is over", "error", err)
	}
	return cause
}

func (b *Blobs) purge(ctx context.Context, info *jetstream.ObjectInfo) error {
	ctx, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	return errors.Join( // the description first: a blob is whole, or not there
		b.stream.Purge(ctx, jetstream.WithPurgeSubject(infoSubject(b.bucket, info.Name))),
		b.stream.Purge(ctx, jetstream.WithPurgeSubject(chunkSubject(b.bucket, info.NUID))),
	)
}

// Stat describes a blob; ErrNotFound when the tenant has none of that name.
func (b *Blobs) Stat(ctx context.Context, tenant, ref string) (job.Blob, error) {
	info, err := b.info(ctx, tenant, ref)
	if err != nil {
		return job.Blob{}, err
	}
	return blobOf(ref, info)
}

// Delete takes a blob away; ErrNotFound when the tenant has none of that name.
func (b *Blobs) Delete(ctx context.Context, tenant, ref string) error {
	info, err := b.info(ctx, tenant, ref)
	if err != nil {
		return err
	}
	if err := b.purge(ctx, info); err != nil {
		return fmt.Errorf("queue: delete a blob: %w", err)
	}
	return nil
}

func (b *Blobs) info(ctx context.Context, tenant, ref string) (*jetstream.ObjectInfo, error) {
	if !b.names(ref) {
		return nil, ErrNotFound
	}
	subject := infoSubject(b.bucket, objectName(tenant, ref))
	m, err := b.stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		m, err = b.leaders(ctx, subject)
	}
	if err != nil {
		return nil, readError(err)
	}
	info := new(jetstream.ObjectInfo)
	if err := json.Unmarshal(m.Data, info); err != nil {
		return nil, fmt.Errorf("queue: blob: %w", err)
	}
	info.ModTime = m.Time
	if info.Deleted { // by an operator's tool
		return nil, ErrNotFound
	}
	return info, nil
}

// leaders asks the stream's leader: in a cluster, a copy that answered "none" may be behind.
func (b *Blobs) leaders(ctx context.Context, subject string) (*jetstream.RawStreamMsg, error) {
	if b.q.opts.Replicas == 1 && !b.q.opts.Join {
		return nil, jetstream.ErrMsgNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	return b.q.atLeader(ctx, objectStream(b.bucket), lastOf, subject)
}

// names tells whether ref can be one of this bucket's references.
func (b *Blobs) names(ref string) bool {
	name, ok := strings.CutPrefix(ref, b.prefix)
	return ok && len(name) == blobNameLength && job.ValidID(name)
}

func blobOf(ref string, info *jetstream.ObjectInfo) (job.Blob, error) {
	blob := job.Blob{
		Ref: ref, ContentType: info.Headers.Get(contentType), Size: int64(info.Size), //nolint:gosec // what was counted fits
		CreatedAt: job.Stamp(info.ModTime),
	}
	sum, err := base64.URLEncoding.DecodeString(strings.TrimPrefix(info.Digest, digestPrefix))
	if err != nil || len(sum) != len(blob.SHA256) {
		return job.Blob{}, errors.New("queue: a blob's description holds no digest")
	}
	copy(blob.SHA256[:], sum)
	return blob, nil
}

// Read returns a blob whole when it has at most limit bytes; ErrTooLarge when it has more.
func (b *Blobs) Read(ctx context.Context, tenant, ref string, limit int64) (job.Blob, []byte, error) {
	blob, r, err := b.Open(ctx, tenant, ref)
	if err != nil {
		return blob, nil, err
	}
	if blob.Size > limit {
		return blob, nil, ErrTooLarge
	}
	buf := bytes.NewBuffer(make([]byte, 0, blob.Size+bytes.MinRead))
	_, err = buf.ReadFrom(r)
	return blob, buf.Bytes(), err
}

// newName is 26 characters that nobody can guess.
func newName() string { return strings.ToLower(rand.Text()) }

// objectName binds a reference to its tenant: no other's name leads to it.
func objectName(tenant, ref string) string { return tenant + "/" + ref }
