package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/gateway/internal/auth"
	"github.com/penstock-dev/penstock/gateway/internal/redisdb"
	"github.com/penstock-dev/penstock/gateway/internal/tenant"
)

// run runs one subcommand and gives what it wrote.
func run(t *testing.T, env adminEnv, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = runAdmin(t.Context(), args, env, &out, &errs)
	return code, out.String(), errs.String()
}

func TestSubcommands(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	e, err := redisdb.StartEmbedded(redisdb.EmbeddedConfig{Addr: "127.0.0.1:0", Dir: redisDir(data)}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, redisdb.WriteAddr(data, e.Addr()))
	env := adminEnv{DataDir: data, RedisDir: redisDir(data), KeyDir: t.TempDir()}
	require.NoError(t, auth.NewSigningKey(env.KeyDir, time.Now()))

	code, out, errs := run(t, env, "tenant", "create", "t1", "-scopes", "ner jobs", "-quota", "5", "-rate", "60/1m", "-json")
	require.Zero(t, code, errs)
	var tn tenant.Tenant
	require.NoError(t, json.Unmarshal([]byte(out), &tn))
	assert.EqualValues(t, 5, tn.DailyQuota)
	assert.Equal(t, &tenant.Rate{Limit: 60, Window: "1m"}, tn.Rate)

	code, _, errs = run(t, env, "tenant", "create", "t1")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errs, "exists already")
	code, out, _ = run(t, env, "tenant", "set", "t1", "-rate=none", "-max-in-flight", "3")
	assert.Zero(t, code)
	assert.Regexp(t, `rate\s+no bound`, out)
	assert.Regexp(t, `max in flight\s+3`, out)
	code, out, _ = run(t, env, "tenant", "disable", "t1")
	assert.Zero(t, code)
	assert.Regexp(t, `enabled\s+false`, out)
	_, out, _ = run(t, env, "tenant", "list")
	assert.Regexp(t, `t1\s+false\s+5`, out)
	code, _, _ = run(t, env, "tenant", "enable", "t1")
	assert.Zero(t, code)

	code, out, _ = run(t, env, "key", "create", "t1", "-name", "n", "-expires", "1h", "-json")
	require.Zero(t, code)
	var k tenant.NewKey
	require.NoError(t, json.Unmarshal([]byte(out), &k))
	assert.True(t, strings.HasPrefix(k.Secret, "psk_"))
	assert.NotNil(t, k.ExpiresAt)
	_, out, _ = run(t, env, "key", "list", "t1")
	assert.Contains(t, out, k.ID)
	assert.NotContains(t, out, k.Secret)
	code, _, _ = run(t, env, "key", "delete", "t1", k.ID)
	assert.Zero(t, code)

	code, out, errs = run(t, env, "token", "create", "t1", "-scopes", "ner", "-expires-in", "5m")
	require.Zero(t, code, errs)
	assert.Equal(t, 2, strings.Count(out, "."))
	code, _, errs = run(t, env, "token", "create", "t1", "-scopes", "admin")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errs, "admin")

	for _, bad := range [][]string{
		{"tenant"},
		{"tenant", "make", "x"},
		{"tenant", "create"},
		{"tenant", "create", "a", "b"},
		{"tenant", "set", "t1"},
		{"tenant", "create", "x y"},
		{"tenant", "set", "t1", "-quota", "many"},
		{"tenant", "set", "t1", "-rate", "60"},
		{"key", "create", "t1", "-nonsense"},
		{"token", "create", "t1", "-expires-in", "-1s"},
		{"tenant", "set", "t1", "-quota", "-1"},
	} {
		code, out, errs := run(t, env, bad...)
		assert.Equal(t, exitUsage, code, bad)
		assert.Empty(t, out, bad)
		assert.NotEmpty(t, errs, bad)
	}
	code, out, _ = run(t, env, "tenant", "-h")
	assert.Zero(t, code)
	assert.Contains(t, out, "gateway tenant create")

	require.NoError(t, e.Close())
	code, out, errs = run(t, env, "tenant", "show", "t1") // no gateway runs
	assert.Zero(t, code, errs)
	assert.Regexp(t, `daily quota\s+5`, out)
	code, _, errs = run(t, adminEnv{DataDir: t.TempDir(), RedisDir: t.TempDir()}, "tenant", "list")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errs, "PENSTOCK_DATA_DIR")
}
