package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-dev/penstock/shared/job"
)

// The headers of Standard Webhooks.
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
)

const (
	secretPrefix = "whsec_"
	minSecret    = 24 // bytes, decoded
	maxSecret    = 64
)

var (
	errSecretPrefix = errors.New("must begin with whsec_")
	errSecretBase64 = errors.New("must be base64 after whsec_")
	errSecretLength = errors.New("must have 24 to 64 bytes, in base64 after whsec_")
)

// secretKey is the key that a secret stands for.
func secretKey(s job.Secret) ([]byte, error) {
	text, ok := strings.CutPrefix(string(s), secretPrefix)
	if !ok {
		return nil, errSecretPrefix
	}
	if len(text) > base64.StdEncoding.EncodedLen(maxSecret) {
		return nil, errSecretLength
	}
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, errSecretBase64
	}
	if len(key) < minSecret || len(key) > maxSecret {
		return nil, errSecretLength
	}
	return key, nil
}

// sign is the webhook-signature of a message: one signature for each secret, so that a receiver may know any of them.
func sign(secrets []job.Secret, id string, at time.Time, body []byte) (string, error) {
	signatures := make([]string, 0, len(secrets))
	for _, s := range secrets {
		key, err := secretKey(s)
		if err != nil {
			return "", err
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(signatures, " "), nil
}
