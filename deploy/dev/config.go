package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
)

// parrotVariable names a model server to the worker; see worker/models/parrot.
const parrotVariable = "PARROT_URL"

// settings is the little that the runner has to know; the processes read their own configuration.
type settings struct {
	binDir  string // where gateway and worker stand: beside the runner
	parrot  string // a server that the operator names in the place of the demo's
	dataDir string // PENSTOCK_DATA_DIR, else data_dir of the file that PENSTOCK_CONFIG names, else "data"
}

func loadSettings() (settings, error) {
	self, err := os.Executable()
	if err != nil {
		return settings{}, fmt.Errorf("where the runner stands: %w", err)
	}
	s := settings{binDir: relative(filepath.Dir(self)), dataDir: "data", parrot: os.Getenv(parrotVariable)}
	if path := os.Getenv("PENSTOCK_CONFIG"); path != "" {
		source, err := os.ReadFile(path) //nolint:gosec // the operator names the file
		if err != nil {
			return settings{}, fmt.Errorf("PENSTOCK_CONFIG: %w", err)
		}
		var file struct {
			DataDir string `yaml:"data_dir"`
		}
		// A faulty file is the gateway's to explain.
		if err := yaml.Unmarshal(source, &file); err == nil && file.DataDir != "" {
			s.dataDir = file.DataDir
		}
	}
	if dir := os.Getenv("PENSTOCK_DATA_DIR"); dir != "" {
		s.dataDir = dir
	}
	return s, nil
}

// relative shortens a path under the working directory, so that what is printed can be typed.
func relative(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(wd, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}
