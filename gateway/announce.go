package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/penstock-dev/penstock/gateway/internal/auth"
	"github.com/penstock-dev/penstock/shared/runfile"
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

// announce writes the run files, and in development the credentials to try the gateway with. The returned function
// takes the run files away.
func (g *gateway) announce(ctx context.Context) (remove func(), err error) {
	if g.cfg.Mode == Development {
		if err := g.writeCredentials(ctx); err != nil {
			return nil, err
		}
	}
	g.run.PID = os.Getpid()
	return runfile.Announce(g.cfg.DataDir, "gateway", g.run)
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
	return runfile.WriteJSON(path, c)
}
