package webhook

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/job"
)

// The vector that Standard Webhooks' own libraries are tested with.
func TestTheSignatureIsStandardWebhooks(t *testing.T) {
	t.Parallel()
	const (
		secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
		want   = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	)
	id, at, body := "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`)
	got, err := sign([]job.Secret{secret}, id, at, body)
	require.NoError(t, err)
	assert.Equal(t, want, got)

	other := job.Secret("whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	got, err = sign([]job.Secret{other, secret}, id, at, body)
	require.NoError(t, err)
	both := strings.Split(got, " ")
	require.Len(t, both, 2, "while the receiver changes its secret, each signs")
	assert.Equal(t, want, both[1])
	for _, change := range []func(){
		func() { id += "x" }, func() { at = at.Add(time.Second) }, func() { body = []byte(`{"test":2432232314}`) },
	} {
		change()
		got, err = sign([]job.Secret{secret}, id, at, body)
		require.NoError(t, err)
		assert.NotEqual(t, want, got)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	of := func(n int) job.Secret {
		return job.Secret("whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("s", n))))
	}
	for _, n := range []int{24, 32, 64} {
		key, err := secretKey(of(n))
		require.NoError(t, err)
		assert.Len(t, key, n)
	}
	for secret, want := range map[job.Secret]error{
		of(23): errSecretLength, of(65): errSecretLength, of(1000): errSecretLength, "whsec_": errSecretLength,
		of(32)[6:]: errSecretPrefix, "": errSecretPrefix, "whsk_AAAA": errSecretPrefix,
		"whsec_%%%%" + of(32)[6:]: errSecretBase64, of(25)[:40]: errSecretBase64, "whsec_\n" + of(32)[6:]: errSecretBase64,
	} {
		_, err := secretKey(secret)
		assert.ErrorIs(t, err, want, string(secret))
	}
}

func TestASecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	r := record{Webhook: job.Webhook{URL: "https://example.com", Secrets: []job.Secret{secret}, Events: []string{"done"}}}
	r.tell("job_1", "done", 1, time.Now())
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "secret", r.Webhook.Secrets[0])
	public, err := json.Marshal(r.log())
	require.NoError(t, err)
	req := job.Request{Webhook: &r.Webhook}
	for _, text := range []string{
		logged.String(), string(public), fmt.Sprint(r), fmt.Sprintf("%+v", r), fmt.Sprintf("%#v", r.Webhook), fmt.Sprintf("%v %+v", req, *req.Webhook),
		fmt.Sprintf("%s %q %x", r.Webhook.Secrets[0], r.Webhook.Secrets[0], r.Webhook.Secrets),
	} {
		assert.NotContains(t, text, secret[6:], text)
	}
}
