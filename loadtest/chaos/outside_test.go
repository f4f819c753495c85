package main

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheEffectsCheckTellsRightFromWrong(t *testing.T) {
	t.Parallel()
	succeeded := func(attempt int) *view { return &view{Status: "succeeded", Output: &output{Attempt: attempt}} }
	for name, c := range map[string]struct {
		end       *view
		crash     bool
		ran       []int
		explained int
		right     bool
	}{
		"once":                              {end: succeeded(1), ran: []int{1}, right: true},
		"never":                             {end: succeeded(1)},
		"another attempt":                   {end: succeeded(2), ran: []int{1}},
		"again after a fault":               {end: succeeded(2), ran: []int{1, 2}, explained: 1, right: true},
		"again without one":                 {end: succeeded(2), ran: []int{1, 2}},
		"canceled after its run":            {end: &view{Status: "canceled"}, ran: []int{1}, right: true},
		"expired, and ran":                  {end: &view{Status: "expired"}, ran: []int{1}},
		"failed, its run lost with a fault": {end: &view{Status: "failed"}, ran: []int{1}, explained: 1, right: true},
		"kills its worker, and ran":         {end: &view{Status: "failed"}, crash: true, ran: []int{1}, explained: 1},
	} {
		e := &entry{spec: spec{crash: c.crash}, end: c.end}
		assert.Equal(t, c.right, len(e.checkEffects(c.ran, c.explained)) == 0, name)
	}
	r := &report{effects: effects{"job_stray": {1}}}
	r.checkEffects(nil)
	assert.Len(t, r.broken, 1)
}

func TestTheReceiverTellsRightFromWrong(t *testing.T) {
	t.Parallel()
	h, err := newReceiver(t.Context())
	require.NoError(t, err)
	t.Cleanup(h.close)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"op-1", bytes.NewBufferString(`{"type":"job.done","data":{"id":"job_a","status":"succeeded"}}`))
	require.NoError(t, err)
	req.Header.Set("Webhook-Id", "msg_1")
	req.Header.Set("Webhook-Timestamp", "1")
	req.Header.Set("Webhook-Signature", "v1,AAAA")
	res, err := (&http.Client{Timeout: time.Minute}).Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	_, _, _, broken := h.count()
	assert.Len(t, broken, 1)
	assert.Nil(t, h.end("job_a"), "nobody can say what was delivered")
}

func TestABoundedProfileLeavesItsKillsToTheOthers(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-kills", "1000", "-d", "80s"}, lines{t})
	require.NoError(t, err)
	kills := map[string]int{}
	for _, p := range o.profiles {
		kills[p.name] = p.kills
	}
	assert.Equal(t, 8, kills["full"])
	assert.GreaterOrEqual(t, kills["workers"]+kills["one"]+kills["servers"], 992)
	assert.Equal(t, 20*time.Second, o.limit)
}
