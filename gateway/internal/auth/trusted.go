package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

// LoadTrusted reads the configured keys of others: a file with an HS256 secret, which may be "", and PEM files with
// RSA or P-256 public keys or certificates. One line end after the secret is no part of it.
func LoadTrusted(secretFile string, publicKeyFiles []string) ([]TrustedKey, error) {
	var keys []TrustedKey
	if secretFile != "" {
		secret, err := os.ReadFile(secretFile) //nolint:gosec // a path of the configuration
		if err != nil {
			return nil, fmt.Errorf("the HS256 secret: %w", err)
		}
		secret = bytes.TrimSuffix(bytes.TrimSuffix(secret, []byte("\n")), []byte("\r"))
		if len(secret) < minSecret {
			return nil, fmt.Errorf("the HS256 secret in %s has %d bytes and needs %d or more", secretFile, len(secret), minSecret)
		}
		keys = append(keys, TrustedKey{Alg: "HS256", Secret: secret})
	}
	for _, path := range publicKeyFiles {
		k, err := loadPublic(path)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func loadPublic(path string) (TrustedKey, error) {
	text, err := os.ReadFile(path) //nolint:gosec // a path of the configuration
	if err != nil {
		return TrustedKey{}, fmt.Errorf("public key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return TrustedKey{}, fmt.Errorf("public key %s is no PEM", path)
	}
	var key any
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = cert.PublicKey
		}
	default:
		err = fmt.Errorf("it holds a %q", block.Type)
	}
	if err != nil {
		return TrustedKey{}, fmt.Errorf("public key %s: %w", path, err)
	}
	k := TrustedKey{Public: key}
	switch key.(type) {
	case *rsa.PublicKey:
		k.Alg = "RS256"
	case *ecdsa.PublicKey:
		k.Alg = "ES256"
	default:
		return TrustedKey{}, fmt.Errorf("public key %s is neither RSA nor P-256", path)
	}
	if err := new(trusted).fit(k); err != nil {
		return TrustedKey{}, fmt.Errorf("public key %s: %w", path, err)
	}
	return k, nil
}
