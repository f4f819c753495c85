package job

import "time"

// How references begin: a blob's is its owner's to use, an input's is ours alone.
const (
	BlobPrefix  = "blob_"
	InputPrefix = "in_"
)

const (
	// InlineMost is how large an input or an output may be and still travel in a message; a larger one is stored beside
	// it, and the message holds {"$ref":"…"}.
	InlineMost = 256 << 10
	// ResolvedMost bounds an input with its references resolved.
	ResolvedMost = 64 << 20
	// MaxRefs bounds how many references an input may hold.
	MaxRefs = 64
)

// Blob describes bytes that are stored under a reference.
type Blob struct {
	Ref         string
	ContentType string
	Size        int64
	SHA256      [32]byte
	CreatedAt   time.Time
}
