package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// address is DATA/run/NAME.json: the URLs where a ready process listens; empty where it does not.
type address struct {
	PID   int    `json:"pid"`
	HTTPS string `json:"https"`
	Ops   string `json:"ops"`
}

// readAddress reads the file of the process with that pid; one that another process left behind does not count.
func readAddress(dataDir, name string, pid int) (address, bool) {
	var a address
	source, err := os.ReadFile(filepath.Join(dataDir, "run", name+".json")) //nolint:gosec // under the operator's data folder
	if err != nil || json.Unmarshal(source, &a) != nil {
		return address{}, false
	}
	return a, a.PID == pid
}

// isReady asks an operations listener.
func isReady(ctx context.Context, ops string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, ops+"/readyz", nil)
	if err != nil {
		return false
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// credentials is the part of DATA/dev/credentials.json that a first call needs.
type credentials struct {
	URL    string `json:"url"`
	CAFile string `json:"ca_file"`
}

const firstCall = `
  curl --cacert %s %s/api/predict -w '\n' \
    -H "Authorization: Bearer $(sed -n 's/.*"token": *"\([^"]*\)".*/\1/p' %s)" \
    -H 'Content-Type: application/json' \
    -d '{"text":"2月8日上午北京冬奥会自由式滑雪女子大跳台决赛中中国选手谷爱凌以188.25分获得金牌！","schema":{"人物":null,"地理位置":null}}'
`

// announce tells the newcomer where everything is.
func (r *runner) announce(at address, took time.Duration) {
	out := &strings.Builder{}
	fmt.Fprintf(out, "\nPenstock is ready after %.1f s. Ctrl-C stops it.\n\n", took.Seconds())
	path := filepath.Join(r.settings.dataDir, "dev", "credentials.json")
	var c credentials
	source, err := os.ReadFile(path) //nolint:gosec // under the operator's data folder
	if err != nil || json.Unmarshal(source, &c) != nil || c.URL == "" {
		fmt.Fprintf(out, "  URL          %s\n\n", at.HTTPS)
	} else {
		fmt.Fprintf(out, "  URL          %s\n", c.URL)
		fmt.Fprintf(out, "  credentials  %s (API key, tokens, CA certificate)\n", path)
		fmt.Fprintf(out, "  first call   paste this into another terminal, in this folder:\n")
		fmt.Fprintf(out, firstCall, quote(relative(c.CAFile)), c.URL, quote(path))
		out.WriteString("\n")
	}
	_, _ = io.WriteString(r.out, out.String())
}

// quote makes a word of s for a POSIX shell, unchanged where nothing in it is special.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
