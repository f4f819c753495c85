package redisdb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Time limits of one command. They are short: a request waits for them.
const (
	dialTimeout = time.Second
	ioTimeout   = 500 * time.Millisecond
)

// DB is a connection to the Redis that all gateways of one deployment share. It implements tenant.Store,
// auth.Sessions and limits.Counters, and is safe for concurrent use.
type DB struct {
	c    redis.UniversalClient
	near *near     // the embedded server; nil for any other
	pipe *combiner // nil sends each caller's commands by themselves
}

// Open connects to an external server and asks it for a sign of life. The URL is redis://, rediss:// or unix://; with
// master_name (and addr=… for each further one) it names sentinels, and with addr=… alone the nodes of a cluster.
// No error holds the URL's password.
func Open(ctx context.Context, rawURL string) (*DB, error) {
	c, err := client(rawURL)
	if err != nil {
		return nil, err
	}
	db := newDB(c)
	if err := db.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("redis at %s: %w", redact(rawURL), err), db.Close())
	}
	return db, nil
}

// newDB also silences the library's own log, which is one for the process: what it would say, its errors say.
func newDB(c redis.UniversalClient) *DB {
	redis.SetLogger(&logging.VoidLogger{})
	return &DB{c: c, pipe: newCombiner(c)}
}

// Ping asks the server for a sign of life, for readiness.
func (db *DB) Ping(ctx context.Context) error { return db.c.Ping(ctx).Err() }

// Close ends the connections. Calls in flight end with an error.
func (db *DB) Close() error { return db.c.Close() }

// Time tells the server's clock, so that a start can warn of one that is far off.
func (db *DB) Time(ctx context.Context) (time.Time, error) { return db.c.Time(ctx).Result() }

func client(rawURL string) (redis.UniversalClient, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("PENSTOCK_REDIS_URL is no URL") // url.Error would print the password
	}
	switch q := u.Query(); {
	case q.Has("master_name"):
		o, err := redis.ParseFailoverURL(rawURL)
		if err != nil {
			return nil, badURL(rawURL, err)
		}
		o.MaxRetries, o.DialTimeout, o.ReadTimeout, o.WriteTimeout = -1, dialTimeout, ioTimeout, ioTimeout
		o.ContextTimeoutEnabled, o.DisableIdentity, o.Protocol, o.DialerRetries = true, true, 2, 1
		return redis.NewFailoverClient(o), nil
	case q.Has("addr"):
		o, err := redis.ParseClusterURL(rawURL)
		if err != nil {
			return nil, badURL(rawURL, err)
		}
		o.MaxRetries, o.DialTimeout, o.ReadTimeout, o.WriteTimeout = -1, dialTimeout, ioTimeout, ioTimeout
		o.ContextTimeoutEnabled, o.DisableIdentity, o.Protocol, o.DialerRetries = true, true, 2, 1
		o.MaintNotificationsConfig = noNotices()
		return redis.NewClusterClient(o), nil
	}
	o, err := redis.ParseURL(rawURL)
	if err != nil {
		return nil, badURL(rawURL, err)
	}
	plain(o)
	if o.TLSConfig != nil {
		o.TLSConfig.MinVersion = tls.VersionTLS12
	}
	return redis.NewClient(o), nil
}

// plain sets what all connections have in common. Nothing is retried below us: an INCR that timed out may have
// counted, and would count twice.
func plain(o *redis.Options) {
	o.MaxRetries = -1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = dialTimeout, ioTimeout, ioTimeout
	o.ContextTimeoutEnabled, o.DisableIdentity, o.Protocol, o.DialerRetries = true, true, 2, 1
	o.MaintNotificationsConfig = noNotices()
}

func noNotices() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

func badURL(rawURL string, err error) error {
	text := err.Error()
	if u, uerr := url.Parse(rawURL); uerr == nil && u.User != nil {
		if pw, ok := u.User.Password(); ok && pw != "" {
			text = strings.ReplaceAll(text, pw, "…")
		}
	}
	return fmt.Errorf("the Redis URL %s can't be used: %s", redact(rawURL), text)
}

// redact gives the URL without its password and query.
func redact(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "(unreadable URL)"
	}
	u.RawQuery = ""
	return u.Redacted()
}
