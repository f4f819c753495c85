package upstream

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/penstock-dev/penstock/shared/model"
)

// What the manifest may leave out.
const (
	defaultConcurrency  = 16
	defaultFirstByte    = 60 * time.Second
	defaultBetween      = 60 * time.Second
	defaultHealthEvery  = 5 * time.Second
	longestKey          = 8 << 10
	maxReplicas         = 256
	defaultRetriesAfter = 2 * time.Second // where a server that refuses names no time
)

// settings is what a manifest and its surroundings come to.
type settings struct {
	api         dialect
	urls        []*url.URL
	model       string // as the servers call it
	key         string // a secret: never logged, never part of a fault
	concurrency int    // calls at once to one server
	firstByte   time.Duration
	between     time.Duration
	every       time.Duration // between looks at a server's health
	context     int
	images      bool
}

// read takes the settings from the manifest; addresses and the key may stand in the environment or in a file.
func read(m *model.Manifest, environ func(string) string) (settings, error) {
	u := m.Upstream
	if u == nil {
		return settings{}, errors.New("the manifest has no section upstream")
	}
	s := settings{
		model: u.Model, concurrency: u.Concurrency, firstByte: u.FirstByteTimeout, between: u.IdleTimeout, every: u.HealthInterval,
		context: u.Context, images: u.Images,
	}
	switch u.API {
	case "", "openai":
		s.api = openAI{}
	case "ollama":
		s.api = ollama{}
	default:
		return s, fmt.Errorf("upstream.api: %q is neither openai nor ollama", u.API)
	}
	if s.model == "" {
		s.model = m.Name
	}
	s.concurrency = or(s.concurrency, defaultConcurrency)
	s.firstByte, s.between, s.every = or(s.firstByte, defaultFirstByte), or(s.between, defaultBetween), or(s.every, defaultHealthEvery)
	urls := u.URLs
	if u.URLsEnv != "" {
		v := environ(u.URLsEnv)
		if v == "" && len(urls) == 0 {
			return s, fmt.Errorf("upstream.urls_env: the variable %s is not set in the worker's environment", u.URLsEnv)
		}
		if v != "" {
			urls = strings.Split(v, ",")
		}
	}
	if len(urls) == 0 || len(urls) > maxReplicas {
		return s, fmt.Errorf("upstream.urls: names %d servers; 1 to %d are wanted", len(urls), maxReplicas)
	}
	for _, raw := range urls {
		parsed, err := url.Parse(strings.TrimRight(strings.TrimSpace(raw), "/"))
		if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.User != nil || parsed.RawQuery != "" {
			return s, errors.New("upstream.urls: one is not a plain http or https URL") // it may hold a secret
		}
		s.urls = append(s.urls, parsed)
	}
	return s, s.readKey(u, environ)
}

func (s *settings) readKey(u *model.Upstream, environ func(string) string) error {
	switch {
	case u.KeyFile != "" && u.KeyEnv != "":
		return errors.New("upstream: key_file and key_env are both set")
	case u.KeyEnv != "":
		if s.key = environ(u.KeyEnv); s.key == "" {
			return fmt.Errorf("upstream.key_env: the variable %s is not set in the worker's environment", u.KeyEnv)
		}
	case u.KeyFile != "":
		b, err := os.ReadFile(u.KeyFile)
		if err != nil {
			return fmt.Errorf("upstream.key_file: %w", err)
		}
		if s.key = strings.TrimSpace(string(b)); s.key == "" {
			return errors.New("upstream.key_file: the file is empty")
		}
	}
	if len(s.key) > longestKey || strings.ContainsAny(s.key, "\r\n\x00") {
		return errors.New("upstream: the key is no header's value")
	}
	return nil
}

// Environ reads the worker's environment.
func Environ(name string) string { return os.Getenv(name) }

func or[T int | time.Duration](v, missing T) T {
	if v <= 0 {
		return missing
	}
	return v
}
