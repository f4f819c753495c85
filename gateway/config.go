// Package gateway is the process that clients talk to: it authenticates, limits, queues and answers.
package gateway

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/penstock-dev/penstock/shared/config"
	"github.com/penstock-dev/penstock/shared/job"
)

// The two modes a gateway runs in.
const (
	Development = "development"
	Production  = "production"
)

// Config is everything an operator can set on the gateway. It is read once, at the start.
type Config struct {
	Mode    string `yaml:"mode" env:"PENSTOCK_MODE" doc:"development or production; production where both nats_url and redis_url are set"`
	DataDir string `yaml:"data_dir" env:"PENSTOCK_DATA_DIR" doc:"where this machine's files are kept: credentials, certificates, and the embedded servers' data"`

	HTTPSAddr string `yaml:"https_addr" env:"PENSTOCK_HTTPS_ADDR" doc:"where HTTPS is served"`
	HTTPAddr  string `yaml:"http_addr" env:"PENSTOCK_HTTP_ADDR" doc:"where plain HTTP is: the API in development, a redirect to HTTPS in production; off turns it off"`
	OpsAddr   string `yaml:"ops_addr" env:"PENSTOCK_OPS_ADDR" doc:"the operations listener: health, readiness, metrics"`
	Profiles  bool   `yaml:"profiles" env:"PENSTOCK_PROFILES" doc:"serve /debug/pprof/ on the operations listener"`

	NATSURL   string `yaml:"nats_url" env:"PENSTOCK_NATS_URL" doc:"the broker; empty embeds one"`
	NATSAddr  string `yaml:"nats_addr" env:"PENSTOCK_NATS_ADDR" doc:"where the embedded broker listens"`
	RedisURL  string `yaml:"redis_url" env:"PENSTOCK_REDIS_URL" doc:"Redis; empty embeds one"`
	RedisAddr string `yaml:"redis_addr" env:"PENSTOCK_REDIS_ADDR" doc:"where the embedded Redis listens; empty takes 127.0.0.1:6379, or any free port when that is taken"`

	Plans []string `yaml:"plans" env:"PENSTOCK_PLANS" doc:"the highest priority of each plan, as free=batch; a plan that is not named may ask for any"`

	LogLevel  string `yaml:"log_level" env:"PENSTOCK_LOG_LEVEL" doc:"debug, info, warn or error"`
	LogFormat string `yaml:"log_format" env:"PENSTOCK_LOG_FORMAT" doc:"json, text, or auto: text on a terminal"`

	TLS     TLSConfig     `yaml:"tls"`
	HTTP    HTTPConfig    `yaml:"http"`
	Auth    AuthConfig    `yaml:"auth"`
	Limits  LimitsConfig  `yaml:"limits"`
	Jobs    JobsConfig    `yaml:"jobs"`
	Queue   QueueConfig   `yaml:"queue"`
	Results ResultsConfig `yaml:"results"`
	Blobs   BlobsConfig   `yaml:"blobs"`

	Webhooks WebhooksConfig `yaml:"webhooks"`
}

// TLSConfig names the certificate; without one a local CA is made.
type TLSConfig struct {
	CertFile string `yaml:"cert_file" env:"PENSTOCK_TLS_CERT_FILE" doc:"certificate chain, PEM; read again when it changes"`
	KeyFile  string `yaml:"key_file" env:"PENSTOCK_TLS_KEY_FILE" doc:"its private key, PEM"`
}

// HTTPConfig bounds what a caller may cost.
type HTTPConfig struct {
	MaxBody        config.Bytes  `yaml:"max_body" env:"PENSTOCK_HTTP_MAX_BODY" doc:"largest request body"`
	HeadTimeout    time.Duration `yaml:"head_timeout" env:"PENSTOCK_HTTP_HEAD_TIMEOUT" doc:"for a request's whole head"`
	IdleTimeout    time.Duration `yaml:"idle_timeout" env:"PENSTOCK_HTTP_IDLE_TIMEOUT" doc:"between requests on a connection"`
	WriteTimeout   time.Duration `yaml:"write_timeout" env:"PENSTOCK_HTTP_WRITE_TIMEOUT" doc:"for one response, or one piece of a stream"`
	Heartbeat      time.Duration `yaml:"heartbeat" env:"PENSTOCK_HTTP_HEARTBEAT" doc:"between comments on a silent event stream"`
	MaxWait        time.Duration `yaml:"max_wait" env:"PENSTOCK_HTTP_MAX_WAIT" doc:"longest time a request may wait for a job's end"`
	PredictModel   string        `yaml:"predict_model" env:"PENSTOCK_PREDICT_MODEL" doc:"the model behind POST /api/predict"`
	PredictWait    time.Duration `yaml:"predict_wait" env:"PENSTOCK_PREDICT_WAIT" doc:"how long POST /api/predict waits for its answer"`
	MaxConns       int           `yaml:"max_conns" env:"PENSTOCK_HTTP_MAX_CONNS" doc:"open connections; 0 for the default of 16384"`
	MaxConnsPerIP  int           `yaml:"max_conns_per_ip" env:"PENSTOCK_HTTP_MAX_CONNS_PER_IP" doc:"open connections of one address; 0 for no bound"`
	HSTS           bool          `yaml:"hsts" env:"PENSTOCK_HTTP_HSTS" doc:"send Strict-Transport-Security; always on in production"`
	TrustedProxies []string      `yaml:"trusted_proxies" env:"PENSTOCK_HTTP_TRUSTED_PROXIES" doc:"CIDR prefixes whose X-Forwarded-For is believed; naming one also serves the API on plain HTTP to them"`
	DrainDelay     time.Duration `yaml:"drain_delay" env:"PENSTOCK_HTTP_DRAIN_DELAY" doc:"how long a stopping gateway still takes connections after it went unready"`
}

// AuthConfig says whose tokens are taken.
type AuthConfig struct {
	Issuer     string        `yaml:"issuer" env:"PENSTOCK_AUTH_ISSUER" doc:"iss of our own tokens"`
	Audience   string        `yaml:"audience" env:"PENSTOCK_AUTH_AUDIENCE" doc:"aud of our own tokens"`
	KeyDir     string        `yaml:"key_dir" env:"PENSTOCK_AUTH_KEY_DIR" doc:"Ed25519 signing keys, PKCS#8 PEM; the newest signs, all verify; by default keys below the data folder"`
	AccessTTL  time.Duration `yaml:"access_ttl" env:"PENSTOCK_AUTH_ACCESS_TTL" doc:"longest life of an access token"`
	RefreshTTL time.Duration `yaml:"refresh_ttl" env:"PENSTOCK_AUTH_REFRESH_TTL" doc:"life of a refresh token that is not used"`
	HS256File  string        `yaml:"hs256_secret_file" env:"PENSTOCK_AUTH_HS256_SECRET_FILE" doc:"file with a shared secret of at least 32 bytes; tokens signed with it (HS256) are taken too"`
	PublicKeys []string      `yaml:"public_key_files" env:"PENSTOCK_AUTH_PUBLIC_KEY_FILES" doc:"PEM files with public keys of other issuers (RS256, ES256)"`
}

// LimitsConfig says what happens while Redis is away.
type LimitsConfig struct {
	Outage time.Duration `yaml:"outage" env:"PENSTOCK_LIMITS_OUTAGE" doc:"how long limits are kept from memory while Redis is away"`
}

// JobsConfig bounds what a job may ask for.
type JobsConfig struct {
	MaxAttempts int           `yaml:"max_attempts" env:"PENSTOCK_JOBS_MAX_ATTEMPTS" doc:"attempts of a job that names none"`
	Grace       time.Duration `yaml:"grace" env:"PENSTOCK_JOBS_GRACE" doc:"how long jobs are still taken for a model whose last worker has gone"`
}

// QueueConfig says how the broker keeps jobs.
type QueueConfig struct {
	Profile  string       `yaml:"profile" env:"PENSTOCK_QUEUE_PROFILE" doc:"of the embedded broker: fast syncs to disk every two minutes, durable before each acknowledgement"`
	Replicas int          `yaml:"replicas" env:"PENSTOCK_QUEUE_REPLICAS" doc:"copies of each stream in a cluster: 1, 3 or 5"`
	MaxBytes config.Bytes `yaml:"max_bytes" env:"PENSTOCK_QUEUE_MAX_BYTES" doc:"bound of the jobs waiting"`
}

// ResultsConfig says how long answers are kept.
type ResultsConfig struct {
	Retention     time.Duration `yaml:"retention" env:"PENSTOCK_RESULTS_RETENTION" doc:"how long an ended job stays readable"`
	MaxBytes      config.Bytes  `yaml:"max_bytes" env:"PENSTOCK_RESULTS_MAX_BYTES" doc:"bound of what is kept of jobs beside their inputs; beyond it the oldest results are forgotten before their time; 0 for what the broker's store holds"`
	SyncRetention time.Duration `yaml:"sync_retention" env:"PENSTOCK_RESULTS_SYNC_RETENTION" doc:"the same of a success whose caller waited for it and got it; 0 for no difference, as a bound of its own costs the broker a fifth of its speed"`
}

// WebhooksConfig bounds deliveries to webhooks.
type WebhooksConfig struct {
	Allow       []string      `yaml:"allow" env:"PENSTOCK_WEBHOOKS_ALLOW" doc:"CIDR prefixes that webhooks may reach though they are not public"`
	Attempts    int           `yaml:"attempts" env:"PENSTOCK_WEBHOOKS_ATTEMPTS" doc:"attempts of one delivery before it is given up"`
	Backoff     float64       `yaml:"backoff" env:"PENSTOCK_WEBHOOKS_BACKOFF" doc:"factor on the pauses between attempts, which are 5 s, 30 s, 2 min, 10 min, 30 min, 1 h, 3 h and 6 h"`
	Timeout     time.Duration `yaml:"timeout" env:"PENSTOCK_WEBHOOKS_TIMEOUT" doc:"for one attempt"`
	Concurrency int           `yaml:"concurrency" env:"PENSTOCK_WEBHOOKS_CONCURRENCY" doc:"attempts at once, of this gateway; one tenant gets half of them at most"`
	PerHost     int           `yaml:"per_host" env:"PENSTOCK_WEBHOOKS_PER_HOST" doc:"attempts at once to one host"`
}

// BlobsConfig bounds what clients store beside their jobs.
type BlobsConfig struct {
	MaxBytes  config.Bytes  `yaml:"max_bytes" env:"PENSTOCK_BLOBS_MAX_BYTES" doc:"largest blob that is taken"`
	MaxStored config.Bytes  `yaml:"max_stored" env:"PENSTOCK_BLOBS_MAX_STORED" doc:"bound of all blobs kept; beyond it none is taken; 0 leaves the bound to the broker"`
	TTL       time.Duration `yaml:"ttl" env:"PENSTOCK_BLOBS_TTL" doc:"how long a blob is kept; never shorter than results.retention, as large outputs are blobs"`
}

// Default is the configuration of make run.
func Default() Config {
	return Config{
		DataDir: "data", HTTPSAddr: "127.0.0.1:8443", HTTPAddr: "127.0.0.1:8080", OpsAddr: "127.0.0.1:9090",
		NATSAddr: "127.0.0.1:4222", LogLevel: "info", LogFormat: "auto",
		HTTP: HTTPConfig{
			MaxBody: 1 << 20, HeadTimeout: 10 * time.Second, IdleTimeout: 90 * time.Second, WriteTimeout: 30 * time.Second,
			Heartbeat: 15 * time.Second, MaxWait: 300 * time.Second, PredictModel: "uninlu-tiny", PredictWait: time.Minute,
		},
		Auth: AuthConfig{
			Issuer: "penstock", Audience: "penstock", AccessTTL: time.Hour, RefreshTTL: 30 * 24 * time.Hour,
		},
		Limits:  LimitsConfig{Outage: 5 * time.Minute},
		Jobs:    JobsConfig{MaxAttempts: 3, Grace: 2 * time.Minute},
		Queue:   QueueConfig{Profile: "fast", Replicas: 1, MaxBytes: 4 << 30},
		Results: ResultsConfig{Retention: 24 * time.Hour},
		Blobs:   BlobsConfig{MaxBytes: 64 << 20, MaxStored: 4 << 30, TTL: 24 * time.Hour},
		Webhooks: WebhooksConfig{
			Attempts: 9, Backoff: 1, Timeout: 10 * time.Second, Concurrency: 32, PerHost: 4,
		},
	}
}

// LoadConfig reads the defaults, the YAML file at path (or where PENSTOCK_CONFIG says) and the variables over them.
// What is the worker's is passed over.
func LoadConfig(path string, environ []string) (Config, error) {
	c := Default()
	err := config.Load(path, environ, &c,
		"worker", "PENSTOCK_WORKER_*", "PENSTOCK_MODELS_DIR", "PENSTOCK_ONNXRUNTIME")
	return c, err
}

// Validate completes what follows from other settings and refuses what cannot be.
func (c *Config) Validate() error {
	if c.Mode == "" {
		c.Mode = Development
		if c.NATSURL != "" && c.RedisURL != "" {
			c.Mode = Production
		}
	}
	var faults []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	bad(c.Mode == Development || c.Mode == Production, "mode: %q is neither development nor production", c.Mode)
	bad(c.Mode != Production || c.NATSURL != "" && c.RedisURL != "", "mode: production needs PENSTOCK_NATS_URL and PENSTOCK_REDIS_URL")
	bad((c.TLS.CertFile == "") == (c.TLS.KeyFile == ""), "tls: cert_file and key_file go together")
	bad(c.Queue.Profile == "fast" || c.Queue.Profile == "durable", "queue.profile: %q is neither fast nor durable", c.Queue.Profile)
	bad(c.Jobs.MaxAttempts >= 1 && c.Jobs.MaxAttempts <= 20, "jobs.max_attempts: is 1 to 20")
	bad(c.HTTP.MaxBody > 0 && c.HTTP.MaxBody <= 3<<20, "http.max_body: is 1 byte to 3 MiB")
	bad(c.Results.MaxBytes == 0 || c.Results.MaxBytes >= 1<<20, "results.max_bytes: is 0 or at least 1 MiB")
	bad(c.Blobs.MaxBytes > 0, "blobs.max_bytes: is at least 1 byte")
	bad(c.Blobs.TTL > 0, "blobs.ttl: is more than 0")
	r := &c.Results
	bad(r.SyncRetention == 0 || r.SyncRetention >= time.Second && r.SyncRetention <= r.Retention,
		"results.sync_retention: is 0, or 1 s to results.retention")
	c.Blobs.TTL = max(c.Blobs.TTL, c.Results.Retention)
	w := &c.Webhooks
	bad(w.Attempts >= 1 && w.Attempts <= 50, "webhooks.attempts: is 1 to 50")
	bad(w.Backoff > 0 && w.Backoff <= 10, "webhooks.backoff: is above 0 and at most 10")
	bad(w.Timeout >= time.Second && w.Timeout <= time.Minute, "webhooks.timeout: is 1 s to 1 min")
	bad(w.Concurrency >= 1 && w.Concurrency <= 1024, "webhooks.concurrency: is 1 to 1024")
	bad(w.PerHost >= 1 && w.PerHost <= w.Concurrency, "webhooks.per_host: is 1 to webhooks.concurrency")
	for _, p := range c.Plans {
		name, top, _ := strings.Cut(p, "=")
		bad(name != "" && job.Class(top).Valid(), "plans: %q is not like free=batch, with interactive, standard or batch", p)
	}
	for _, p := range w.Allow {
		_, err := netip.ParsePrefix(p)
		bad(err == nil, "webhooks.allow: %q is no CIDR prefix", p)
	}
	for _, p := range c.HTTP.TrustedProxies {
		_, err := netip.ParsePrefix(p)
		bad(err == nil, "http.trusted_proxies: %q is no CIDR prefix", p)
	}
	if c.Auth.KeyDir == "" {
		c.Auth.KeyDir = c.path("dev", "keys")
		if c.Mode == Production {
			c.Auth.KeyDir = c.path("keys")
		}
	}
	return errors.Join(faults...)
}

// priorities is Plans, by plan.
func (c *Config) priorities() map[string]job.Class {
	m := map[string]job.Class{}
	for _, p := range c.Plans {
		name, top, _ := strings.Cut(p, "=")
		m[name] = job.Class(top)
	}
	return m
}

// path is below the data folder.
func (c *Config) path(elem ...string) string {
	return filepath.Join(append([]string{c.DataDir}, elem...)...)
}
