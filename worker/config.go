// Package worker is the process that owns the models: it pulls jobs, batches and runs them, and settles each.
package worker

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/penstock-dev/penstock/shared/config"
)

// Config is everything an operator can set on a worker. It is read once, at the start.
type Config struct {
	DataDir   string `yaml:"data_dir" env:"PENSTOCK_DATA_DIR" doc:"where this machine's files are kept; the embedded broker's credentials are found there"`
	NATSURL   string `yaml:"nats_url" env:"PENSTOCK_NATS_URL" doc:"the broker; empty finds the one that a gateway on this machine embeds"`
	LogLevel  string `yaml:"log_level" env:"PENSTOCK_LOG_LEVEL" doc:"debug, info, warn or error"`
	LogFormat string `yaml:"log_format" env:"PENSTOCK_LOG_FORMAT" doc:"json, text, or auto: text on a terminal"`
	Profiles  bool   `yaml:"profiles" env:"PENSTOCK_PROFILES" doc:"serve /debug/pprof/ on the operations listener"`

	Worker Worker `yaml:"worker"`
}

// Worker is what is a worker's alone.
type Worker struct {
	OpsAddr      string        `yaml:"ops_addr" env:"PENSTOCK_WORKER_OPS_ADDR" doc:"the operations listener: health, readiness, metrics"`
	ModelsDir    string        `yaml:"models_dir" env:"PENSTOCK_MODELS_DIR" doc:"the model repository: NAME/VERSION/model.yaml"`
	ONNXRuntime  string        `yaml:"onnxruntime" env:"PENSTOCK_ONNXRUNTIME" doc:"ONNX Runtime's shared library, or its folder; empty takes the one below the data folder"`
	Cores        int           `yaml:"cores" env:"PENSTOCK_WORKER_CORES" doc:"cores that a model may use: its instances times their threads; 0 for all"`
	Sleep        bool          `yaml:"sleep" env:"PENSTOCK_WORKER_SLEEP" doc:"offer the built-in model sleep, for trying the broker out; turn it off in production"`
	SleepSlots   int           `yaml:"sleep_slots" env:"PENSTOCK_WORKER_SLEEP_SLOTS" doc:"jobs that sleep runs at once"`
	SleepEffects string        `yaml:"sleep_effects" env:"PENSTOCK_WORKER_SLEEP_EFFECTS" doc:"a file to which sleep adds a line for each run that is complete: job, attempt, worker; for tests that count runs, empty for none"`
	Timeout      time.Duration `yaml:"timeout" env:"PENSTOCK_WORKER_TIMEOUT" doc:"of an attempt whose job names none"`
	Grace        time.Duration `yaml:"grace" env:"PENSTOCK_WORKER_GRACE" doc:"how long running jobs may finish at a shutdown before they are given back"`
	Lease        time.Duration `yaml:"lease" env:"PENSTOCK_WORKER_LEASE" doc:"how long after a worker's death its jobs are handed out again"`
}

// Default is the configuration of make run.
func Default() Config {
	return Config{
		DataDir: "data", LogLevel: "info", LogFormat: "auto",
		Worker: Worker{
			OpsAddr: "127.0.0.1:9091", ModelsDir: "worker/models", Sleep: true,
			SleepSlots: 16, Timeout: 10 * time.Minute, Grace: 20 * time.Second, Lease: 3 * time.Second,
		},
	}
}

// LoadConfig reads the defaults, the YAML file at path (or where PENSTOCK_CONFIG says) and the variables over them.
// What is the gateway's is passed over.
func LoadConfig(path string, environ []string) (Config, error) {
	c := Default()
	err := config.Load(path, environ, &c, foreign()...)
	return c, err
}

// foreign is what belongs to the gateway in the shared file and environment.
func foreign() []string {
	return []string{
		"mode", "https_addr", "http_addr", "ops_addr", "nats_addr", "redis_url", "redis_addr",
		"tls", "http", "auth", "limits", "jobs", "queue", "results", "blobs", "webhooks", "plans",
		"PENSTOCK_MODE", "PENSTOCK_HTTPS_ADDR", "PENSTOCK_HTTP_*", "PENSTOCK_OPS_ADDR", "PENSTOCK_NATS_ADDR",
		"PENSTOCK_REDIS_*", "PENSTOCK_TLS_*", "PENSTOCK_AUTH_*", "PENSTOCK_LIMITS_*", "PENSTOCK_JOBS_*",
		"PENSTOCK_QUEUE_*", "PENSTOCK_RESULTS_*", "PENSTOCK_BLOBS_*", "PENSTOCK_WEBHOOKS_*",
		"PENSTOCK_PREDICT_*", "PENSTOCK_PLANS",
	}
}

// Validate refuses what cannot be.
func (c *Config) Validate() error {
	var faults []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	w := &c.Worker
	bad(w.Cores >= 0, "worker.cores: is not negative")
	bad(w.SleepSlots >= 1, "worker.sleep_slots: is at least 1")
	bad(w.Lease >= time.Second, "worker.lease: %v is shorter than a second", w.Lease)
	return errors.Join(faults...)
}

// path is below the data folder.
func (c *Config) path(elem ...string) string {
	return filepath.Join(append([]string{c.DataDir}, elem...)...)
}
