package redisdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// addrFile, below the data folder, tells the command line where the running gateway's embedded server listens.
const addrFile = "run/redis.addr"

// WriteAddr leaves the embedded server's address for the command line.
func WriteAddr(dataDir, addr string) error {
	path := filepath.Join(dataDir, addrFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(addr+"\n"), 0o600)
}

// OpenLike opens the Redis that the gateway of a configuration uses, for the command line: an external one by its URL,
// or the embedded one of the running gateway, or, where none runs, its data set in dir itself. Call closing when done.
func OpenLike(ctx context.Context, url, dataDir, dir string, log *slog.Logger) (db *DB, closing func() error, err error) {
	if url != "" {
		db, err = Open(ctx, url)
		if err != nil {
			return nil, nil, err
		}
		return db, db.Close, nil
	}
	text, err := os.ReadFile(filepath.Join(dataDir, addrFile)) //nolint:gosec // below a folder of the configuration
	if err == nil {
		if db, err = Open(ctx, "redis://"+strings.TrimSpace(string(text))); err == nil {
			return db, db.Close, nil
		}
	}
	if _, serr := os.Stat(filepath.Join(dir, dataFile)); serr != nil {
		return nil, nil, fmt.Errorf("no gateway has run with the data folder %s: start one, or name another folder in "+
			"PENSTOCK_DATA_DIR, or a server in PENSTOCK_REDIS_URL", dataDir)
	}
	e, err := StartEmbedded(EmbeddedConfig{Addr: "127.0.0.1:0", Dir: dir}, log)
	if err != nil {
		return nil, nil, err
	}
	db = e.DB()
	closing = func() error { return errors.Join(db.Close(), e.Close()) } //nolint:contextcheck // it may come after ctx
	return db, closing, nil
}
