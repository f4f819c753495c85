package redisdb

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// The data set's file: one line a record, each "CRC JSON". First a head, then every key, then an end that counts them;
// that part is written to a new file, synced and renamed. After it come the changes, appended and synced, a key's new
// value or its end; when they outgrow the first part the file is written anew. A stop in the middle of an append
// leaves half a line at the very end, which is dropped; anything else that can't be read stops the start.
const (
	format       = 1
	growBy       = 8 << 20 // bytes of changes before the file is written anew, at least
	chunk        = 512     // keys read in one pipeline
	kindHead     = "head"
	kindEnd      = "end"
	kindNone     = "none" // the key is gone
	kindString   = "string"
	kindHash     = "hash"
	kindList     = "list"
	kindSet      = "set"
	kindSorted   = "zset"
	fileMode     = 0o600
	crcLen       = 8
	tmpSuffix    = ".tmp"
	writeTimeout = 30 * time.Second
)

// record is one line.
type record struct {
	Kind   string   `json:"t"`
	Key    []byte   `json:"k,omitempty"`
	Values [][]byte `json:"v,omitempty"` // the value, the elements, or field and value (member and score) in turn
	Expiry int64    `json:"x,omitempty"` // Unix milliseconds; 0 means never
	Count  int      `json:"n,omitempty"` // head: format; end: the keys before it
}

// dataset is the open file.
type dataset struct {
	path  string
	f     *os.File
	log   *slog.Logger
	base  int64 // bytes of the first part
	grown int64 // bytes of changes after it
}

// openDataset loads the file into db, or begins an empty one.
func openDataset(path string, db *miniredis.RedisDB, log *slog.Logger) (*dataset, error) {
	d := &dataset{path: path, log: log}
	f, err := os.OpenFile(path, os.O_RDWR, fileMode) //nolint:gosec // below a folder of the configuration
	if errors.Is(err, os.ErrNotExist) {
		return d, d.rewrite(func(func(record) error) error { return nil })
	}
	if err != nil {
		return nil, fmt.Errorf("the embedded Redis can't read its data set: %w", err)
	}
	whole, err := d.load(f, db)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("the embedded Redis can't read its data set %s: %w; put a good copy in its place, or "+
			"move it away to begin with an empty one", path, err)
	}
	if err := f.Truncate(whole); err != nil {
		_ = f.Close()
		return nil, err
	}
	if _, err := f.Seek(whole, io.SeekStart); err != nil {
		_ = f.Close()
		return nil, err
	}
	d.f = f
	return d, nil
}

// load reads the lines and tells how many bytes of the file are whole lines.
func (d *dataset) load(f io.Reader, db *miniredis.RedisDB) (whole int64, err error) {
	r := bufio.NewReaderSize(f, 1<<16)
	now := time.Now()
	var ended bool
	for line := 1; ; line++ {
		text, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if !ended {
				return 0, fmt.Errorf("line %d: it breaks off before the end of the first part", line)
			}
			if len(text) > 0 {
				d.log.Warn("the embedded Redis was stopped in the middle of a write; what came before it is kept",
					"file", d.path, "dropped_bytes", len(text))
			}
			d.grown = whole - d.base
			return whole, nil
		}
		if err != nil {
			return 0, err
		}
		rec, err := parseLine(text)
		if err != nil {
			return 0, fmt.Errorf("line %d: %w", line, err)
		}
		whole += int64(len(text))
		switch {
		case line == 1:
			if rec.Kind != kindHead || rec.Count != format {
				return 0, errors.New("line 1: it is no data set of this version")
			}
		case rec.Kind == kindEnd && !ended:
			if rec.Count != line-2 {
				return 0, fmt.Errorf("line %d: %d keys are missing", line, rec.Count-line+2)
			}
			ended, d.base = true, whole
		default:
			if err := restore(db, rec, now); err != nil {
				return 0, fmt.Errorf("line %d: %w", line, err)
			}
		}
	}
}

func parseLine(text []byte) (record, error) {
	text = bytes.TrimSuffix(text, []byte("\n"))
	if len(text) < crcLen+2 || text[crcLen] != ' ' {
		return record{}, errors.New("it is no record")
	}
	sum, err := strconv.ParseUint(string(text[:crcLen]), 16, 32)
	if err != nil || uint32(sum) != checksum(text[crcLen+1:]) {
		return record{}, errors.New("its checksum is wrong")
	}
	var rec record
	if err := json.Unmarshal(text[crcLen+1:], &rec); err != nil {
		return record{}, err
	}
	return rec, nil
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func formatLine(rec record) ([]byte, error) {
	text, err := json.Marshal(rec)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", checksum(text), text), nil
}

// restore sets one key to what its record says.
func restore(db *miniredis.RedisDB, rec record, now time.Time) error {
	key := string(rec.Key)
	db.Del(key)
	left := time.Duration(0)
	if rec.Expiry != 0 {
		if left = time.UnixMilli(rec.Expiry).Sub(now); left <= 0 {
			return nil
		}
	}
	v := make([]string, len(rec.Values))
	for i, b := range rec.Values {
		v[i] = string(b)
	}
	var err error
	switch rec.Kind {
	case kindNone:
		return nil
	case kindString:
		if len(v) != 1 {
			return errors.New("a string has one value")
		}
		err = db.Set(key, v[0])
	case kindHash:
		if len(v)%2 != 0 {
			return errors.New("a hash has pairs")
		}
		db.HSet(key, v...)
	case kindList:
		_, err = db.Push(key, v...)
	case kindSet:
		_, err = db.SetAdd(key, v...)
	case kindSorted:
		err = restoreSorted(db, key, v)
	default:
		err = fmt.Errorf("unknown kind %q", rec.Kind)
	}
	if err == nil && left > 0 {
		db.SetTTL(key, left)
	}
	return err
}

func restoreSorted(db *miniredis.RedisDB, key string, v []string) error {
	if len(v)%2 != 0 {
		return errors.New("a sorted set has pairs")
	}
	for i := 0; i < len(v); i += 2 {
		score, err := strconv.ParseFloat(v[i+1], 64)
		if err != nil {
			return errors.New("a score is no number")
		}
		if _, err := db.ZAdd(key, score, v[i]); err != nil {
			return err
		}
	}
	return nil
}

// write keeps the named keys as they are now, or everything.
func (d *dataset) write(ctx context.Context, c *redis.Client, keys []string, all bool) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if all || d.f == nil || d.grown > max(growBy, 2*d.base) {
		everything, err := c.Keys(ctx, "*").Result()
		if err != nil {
			return err
		}
		return d.rewrite(func(put func(record) error) error {
			return eachRecord(ctx, c, everything, func(rec record) error {
				if rec.Kind == kindNone {
					return nil
				}
				return put(rec)
			})
		})
	}
	var buf bytes.Buffer
	err := eachRecord(ctx, c, keys, func(rec record) error {
		line, err := formatLine(rec)
		buf.Write(line)
		return err
	})
	if err != nil {
		return err
	}
	if _, err := d.f.Write(buf.Bytes()); err != nil {
		return err
	}
	d.grown += int64(buf.Len())
	return d.f.Sync()
}

// rewrite makes the file anew from what fill puts, beside the old one, and takes its place.
func (d *dataset) rewrite(fill func(put func(record) error) error) (err error) {
	f, err := os.OpenFile(d.path+tmpSuffix, os.O_CREATE|os.O_RDWR|os.O_TRUNC, fileMode)
	if err != nil {
		return fmt.Errorf("the embedded Redis can't write its data set: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	w := bufio.NewWriterSize(f, 1<<16)
	var size int64
	put := func(rec record) error {
		line, err := formatLine(rec)
		if err != nil {
			return err
		}
		size += int64(len(line))
		_, err = w.Write(line)
		return err
	}
	count := 0
	if err = put(record{Kind: kindHead, Count: format}); err != nil {
		return err
	}
	if err = fill(func(rec record) error { count++; return put(rec) }); err != nil {
		return err
	}
	if err = put(record{Kind: kindEnd, Count: count}); err != nil {
		return err
	}
	if err = errors.Join(w.Flush(), f.Sync()); err != nil {
		return err
	}
	if err = os.Rename(d.path+tmpSuffix, d.path); err != nil {
		return err
	}
	if d.f != nil {
		_ = d.f.Close() // it was replaced
	}
	d.f, d.base, d.grown = f, size, 0
	return syncDir(filepath.Dir(d.path))
}

// syncDir makes a rename survive a power cut.
func syncDir(dir string) error {
	f, err := os.Open(dir) //nolint:gosec // a folder of the configuration
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d *dataset) close() error {
	if d.f == nil {
		return nil
	}
	return d.f.Close()
}

// eachRecord reads keys as they are now, in chunks, and gives each to put.
func eachRecord(ctx context.Context, c *redis.Client, keys []string, put func(record) error) error {
	for len(keys) > 0 {
		n := min(chunk, len(keys))
		if err := readRecords(ctx, c, keys[:n], put); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

func readRecords(ctx context.Context, c *redis.Client, keys []string, put func(record) error) error {
	p := c.Pipeline()
	kinds := make([]*redis.StatusCmd, len(keys))
	ttls := make([]*redis.DurationCmd, len(keys))
	for i, k := range keys {
		kinds[i], ttls[i] = p.Type(ctx, k), p.PTTL(ctx, k)
	}
	if _, err := p.Exec(ctx); err != nil {
		return err
	}
	now := time.Now()
	p = c.Pipeline()
	values := make([]func() ([]string, error), len(keys))
	for i, k := range keys {
		values[i] = readValue(ctx, p, kinds[i].Val(), k)
	}
	if p.Len() > 0 {
		_, _ = p.Exec(ctx) // each command holds its own error
	}
	for i, k := range keys {
		rec := record{Kind: kindNone, Key: []byte(k)}
		if values[i] != nil {
			got, err := values[i]()
			if changedMeanwhile(err) {
				continue // it is marked, and written next time
			}
			if err != nil {
				return err
			}
			for _, v := range got {
				rec.Values = append(rec.Values, []byte(v))
			}
		}
		if len(rec.Values) > 0 {
			rec.Kind = kinds[i].Val()
			if ttl := ttls[i].Val(); ttl > 0 {
				rec.Expiry = now.Add(ttl).UnixMilli()
			}
		}
		if err := put(rec); err != nil {
			return err
		}
	}
	return nil
}

// changedMeanwhile tells whether a key went, or became another kind, between the two pipelines.
func changedMeanwhile(err error) bool {
	return errors.Is(err, redis.Nil) || err != nil && strings.HasPrefix(err.Error(), "WRONGTYPE")
}

// readValue asks for a value and gives a function that takes it once it is there; nil for a kind that is not kept.
func readValue(ctx context.Context, p redis.Pipeliner, kind, key string) func() ([]string, error) {
	switch kind {
	case kindString:
		cmd := p.Get(ctx, key)
		return func() ([]string, error) { return []string{cmd.Val()}, cmd.Err() }
	case kindHash:
		cmd := p.HGetAll(ctx, key)
		return func() ([]string, error) {
			out := make([]string, 0, 2*len(cmd.Val()))
			for f, v := range cmd.Val() {
				out = append(out, f, v)
			}
			return out, cmd.Err()
		}
	case kindList:
		return p.LRange(ctx, key, 0, -1).Result
	case kindSet:
		return p.SMembers(ctx, key).Result
	case kindSorted:
		cmd := p.ZRangeWithScores(ctx, key, 0, -1)
		return func() ([]string, error) {
			out := make([]string, 0, 2*len(cmd.Val()))
			for _, z := range cmd.Val() {
				out = append(out, fmt.Sprint(z.Member), strconv.FormatFloat(z.Score, 'g', -1, 64))
			}
			return out, cmd.Err()
		}
	}
	return nil
}
