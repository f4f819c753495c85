package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/config"
)

type limits struct {
	Daily   int64         `yaml:"daily_quota" env:"PENSTOCK_DAILY_QUOTA" doc:"jobs a day"`
	Ratio   float64       `yaml:"ratio" env:"PENSTOCK_RATIO" doc:"a share" default:"as much as there is"`
	Wait    time.Duration `yaml:"wait" env:"PENSTOCK_WAIT" doc:"how long to wait | at most"`
	MaxBody config.Bytes  `yaml:"max_body" env:"PENSTOCK_MAX_BODY" doc:"largest body"`
}

type settings struct {
	Addr   string            `yaml:"https_addr" env:"PENSTOCK_HTTPS_ADDR" doc:"where to listen"`
	Debug  bool              `yaml:"debug" env:"PENSTOCK_DEBUG" doc:"talk more"`
	Origin []string          `yaml:"origins" env:"PENSTOCK_ORIGINS" doc:"who may ask"`
	Keys   map[string]string `yaml:"keys" doc:"keys by id"`
	Limits limits            `yaml:"limits"`
	Note   string            `yaml:"-"`
}

func defaults() settings {
	return settings{
		Addr: "127.0.0.1:8443", Origin: []string{"a", "b"},
		Limits: limits{Daily: 100, Wait: time.Hour, MaxBody: 1 << 20},
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "penstock.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestLoadOrder(t *testing.T) {
	t.Parallel()
	path := write(t, `
# a comment
https_addr: 0.0.0.0:443
origins: [x, y, z]
keys: {k1: one}
debug:
limits:
  daily_quota: 7
  wait: 3s
  max_body: 64KiB
`)
	got := defaults()
	environ := []string{"PENSTOCK_DAILY_QUOTA=9", "PENSTOCK_ORIGINS=p,q", "PENSTOCK_RATIO=", "HOME=/x", "PENSTOCK_HTTPS_ADDR=a$b"}
	require.NoError(t, config.Load(path, environ, &got))
	want := settings{
		Addr: "a$b", Origin: []string{"p", "q"}, Keys: map[string]string{"k1": "one"},
		Limits: limits{Daily: 9, Wait: 3 * time.Second, MaxBody: 64 << 10},
	}
	require.Equal(t, want, got)
}

func TestLoadWithoutFile(t *testing.T) {
	t.Parallel()
	got := defaults()
	require.NoError(t, config.Load("", nil, &got))
	require.Equal(t, defaults(), got)
	require.NoError(t, config.Load(write(t, "# nothing\n"), nil, &got))
	require.Equal(t, defaults(), got)
}

func TestFileByVariable(t *testing.T) {
	t.Parallel()
	got := defaults()
	require.NoError(t, config.Load("", []string{"PENSTOCK_CONFIG=" + write(t, "limits: {wait: 250ms, max_body: 4096}")}, &got))
	require.Equal(t, 250*time.Millisecond, got.Limits.Wait)
	require.Equal(t, config.Bytes(4096), got.Limits.MaxBody)
}

func TestForeign(t *testing.T) {
	t.Parallel()
	path := write(t, "worker:\n  slots: 4\nhttps_addr: x\n")
	environ := []string{"PENSTOCK_WORKER_OPS_ADDR=:1", "PENSTOCK_ONNXRUNTIME=/lib"}
	got := defaults()
	require.NoError(t, config.Load(path, environ, &got, "worker", "PENSTOCK_WORKER_*", "PENSTOCK_ONNXRUNTIME"))
	require.Equal(t, "x", got.Addr)
	err := config.Load(path, environ, &got, "PENSTOCK_WORKER_*")
	require.ErrorContains(t, err, "worker: no such key")
	require.ErrorContains(t, err, "PENSTOCK_ONNXRUNTIME: no such variable")
}

func TestFileFaults(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ yaml, want string }{
		"unknown key":         {"debug: true\nspeed: 9\n", ":2: speed: no such key"},
		"near miss":           {"limits:\n  daily_qota: 9\n", ":2: limits.daily_qota: no such key; did you mean limits.daily_quota?"},
		"not a number":        {"limits:\n  daily_quota: many\n", `:2: limits.daily_quota: "many" is not a whole number`},
		"not a duration":      {"limits:\n\n  wait: 3\n", `:3: limits.wait: "3" is not a duration like`},
		"not a size":          {"limits:\n  max_body: 3MB\n", `:2: limits.max_body: "3MB" is not a size like`},
		"not a bool":          {"debug: maybe\n", `:1: debug: "maybe" is not true or false`},
		"not a list":          {"origins: {a: b}\n", ":1: origins: "},
		"section is a value":  {"limits: 3\n", ":1: limits: is not a mapping"},
		"no mapping":          {"- a\n- b\n", ":1: is not a mapping"},
		"twice":               {"debug: true\ndebug: false\n", ":2: "},
		"syntax":              {"debug: [true\n", ":1: "},
		"second document":     {"debug: true\n---\ndebug: false\n", ":3: a configuration file holds one document"},
		"mapping for a value": {"limits:\n  wait: {a: 1}\n", ":2: limits.wait: "},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := write(t, c.yaml)
			got := defaults()
			err := config.Load(path, nil, &got)
			require.ErrorContains(t, err, path+c.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestVariableFaults(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"PENSTOCK_DAILY_QUOTA=many":                `PENSTOCK_DAILY_QUOTA: "many" is not a whole number`,
		"PENSTOCK_DAILY_QUOTA=9999999999999999999": "PENSTOCK_DAILY_QUOTA: ",
		"PENSTOCK_WAIT=3":                          `PENSTOCK_WAIT: "3" is not a duration like`,
		"PENSTOCK_MAX_BODY=1MB":                    `PENSTOCK_MAX_BODY: "1MB" is not a size like`,
		"PENSTOCK_DEBUG=si":                        `PENSTOCK_DEBUG: "si" is not true or false`,
		"PENSTOCK_RATIO=half":                      `PENSTOCK_RATIO: "half" is not a number`,
		"PENSTOCK_HTPS_ADDR=x":                     "PENSTOCK_HTPS_ADDR: no such variable; did you mean PENSTOCK_HTTPS_ADDR?",
		"PENSTOCK_SOMETHING_ELSE=1":                "PENSTOCK_SOMETHING_ELSE: no such variable",
	}
	for entry, want := range cases {
		t.Run(entry, func(t *testing.T) {
			t.Parallel()
			got := defaults()
			require.ErrorContains(t, config.Load("", []string{entry}, &got), want)
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	got := defaults()
	err := config.Load(write(t, "a: 1\nb: 2\n"), []string{"PENSTOCK_WAIT=x", "PENSTOCK_NONE=1"}, &got)
	require.Len(t, strings.Split(err.Error(), "\n"), 4)
	missing := filepath.Join(t.TempDir(), "none.yaml")
	require.ErrorContains(t, config.Load(missing, nil, &got), missing+" does not exist")
}

type validated struct {
	N int `yaml:"n" doc:"a number"`
}

func (v *validated) Validate() error {
	if v.N < 0 {
		return os.ErrInvalid
	}
	return nil
}

func TestValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, config.Load("", nil, &validated{}))
	require.ErrorIs(t, config.Load(write(t, "n: -1"), nil, &validated{}), os.ErrInvalid)
	require.Error(t, config.Load("", nil, validated{}))
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.Bytes{"0": 0, "17": 17, "17B": 17, "64KiB": 64 << 10, "1 MiB": 1 << 20, "3TiB": 3 << 40} {
		var b config.Bytes
		require.NoError(t, b.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, b, text)
	}
	for _, text := range []string{"", "-1", "1MB", "KiB", "1.5MiB", "9000000TiB", "1iB", "1MiBB"} {
		var b config.Bytes
		require.Error(t, b.UnmarshalText([]byte(text)), text)
	}
	require.Equal(t, "1536KiB", config.Bytes(3<<19).String())
	require.Equal(t, "0", config.Bytes(0).String())
	require.Equal(t, "2GiB", config.Bytes(2<<30).String())
}

func TestReference(t *testing.T) {
	t.Parallel()
	out := &strings.Builder{}
	require.NoError(t, config.Reference(out, defaults()))
	require.Contains(t, out.String(), "\n## config_test\n\n| key | variable | default | meaning |\n")
	require.Contains(t, out.String(), "| `https_addr` | `PENSTOCK_HTTPS_ADDR` | `127.0.0.1:8443` | where to listen |\n")
	require.Contains(t, out.String(), "| `limits.wait` | `PENSTOCK_WAIT` | `1h` | how long to wait \\| at most |\n")
	require.Contains(t, out.String(), "| `limits.max_body` | `PENSTOCK_MAX_BODY` | `1MiB` | largest body |\n")
	require.Contains(t, out.String(), "| `origins` | `PENSTOCK_ORIGINS` | `a,b` | who may ask |\n")
	require.Contains(t, out.String(), "| `limits.ratio` | `PENSTOCK_RATIO` | as much as there is | a share |\n")
	require.Contains(t, out.String(), "| `keys` |  |  | keys by id |\n")
	require.ErrorContains(t, config.Reference(out, struct {
		A int `yaml:"a"`
	}{}), "no doc tag")
	require.ErrorContains(t, config.Reference(out, struct{ A int }{}), "no yaml name")
}

func TestKeys(t *testing.T) {
	t.Parallel()
	keys, err := config.Keys(defaults())
	require.NoError(t, err)
	require.Equal(t, []string{"https_addr", "debug", "origins", "keys", "limits"}, keys)
}

func TestVariables(t *testing.T) {
	t.Parallel()
	names, err := config.Variables(defaults())
	require.NoError(t, err)
	require.Equal(t, []string{
		"PENSTOCK_HTTPS_ADDR", "PENSTOCK_DEBUG", "PENSTOCK_ORIGINS", "PENSTOCK_DAILY_QUOTA", "PENSTOCK_RATIO",
		"PENSTOCK_WAIT", "PENSTOCK_MAX_BODY",
	}, names)
}
