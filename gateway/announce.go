package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/penstock-dev/penstock/gateway/internal/auth"
)

// runFile is what other processes on this machine may want to know of a running gateway: data/run/gateway.json.
type runFile struct {
	PID   int    `json:"pid"`
	HTTPS string `json:"https"`
	HTTP  string `json:"http,omitempty"`
	Ops   string `json:"ops"`
	NATS  string `json:"nats,omitempty"`
	Redis string `json:"redis,omitempty"`
}

// announce writes the run files, and in development the credentials to try the gateway with.
func (g *gateway) announce(ctx context.Context) error {
	if g.cfg.Mode == Development {
		if err := g.writeCredentials(ctx); err != nil {
			return err
		}
	}
	g.run.PID = os.Getpid()
	if err := writeJSON(g.cfg.path("run", "gateway.json"), g.run); err != nil {
		return err
	}
	return writeFile(g.cfg.path("run", "gateway.pid"), []byte(strconv.Itoa(g.run.PID)+"\n"))
}

// remove takes the run files away, unless another gateway has written its own meanwhile.
func (r *runFile) remove(cfg *Config) {
	pid := cfg.path("run", "gateway.pid")
	if b, err := os.ReadFile(pid); err != nil || string(b) != strconv.Itoa(r.PID)+"\n" { //nolint:gosec // our own file
		return
	}
	_ = os.Remove(pid)
	_ = os.Remove(cfg.path("run", "gateway.json"))
}

// credentials is data/dev/credentials.json.
type credentials struct {
	URL    string `json:"url"`
	CAFile string `json:"ca_file"`
	auth.Credentials
}

func (g *gateway) writeCredentials(ctx context.Context) error {
	path := g.cfg.path("dev", "credentials.json")
	var c credentials
	b, err := os.ReadFile(path) //nolint:gosec // our own file
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(b, &c); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if c.Credentials, err = g.auth.Development(ctx, g.admin, c.Credentials); err != nil {
		return fmt.Errorf("development credentials: %w", err)
	}
	c.URL, c.CAFile = g.run.HTTPS, g.certs.CAFile()
	return writeJSON(path, c)
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(b, '\n'))
}

// writeFile replaces a file whole: a reader finds the old or the new one.
func writeFile(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
