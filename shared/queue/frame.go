package queue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/penstock-dev/penstock/shared/job"
)

// A frame is one line of JSON, the head, and after its newline the body as it came: an input or an output is never
// parsed, copied into another document or re-encoded on its way.

var errNoFrame = errors.New("queue: message is no frame")

// appendFrame is the frame of a job or an event.
func appendFrame(b []byte, head interface{ AppendHead(b []byte) []byte }, body []byte) []byte {
	return append(append(head.AppendHead(b), '\n'), body...)
}

// encodeFrame is the frame of anything else.
func encodeFrame(head any, body []byte) ([]byte, error) {
	h, err := json.Marshal(head)
	if err != nil {
		return nil, fmt.Errorf("queue: encode head: %w", err)
	}
	frame := make([]byte, 0, len(h)+1+len(body))
	frame = append(frame, h...)
	frame = append(frame, '\n')
	return append(frame, body...), nil
}

func decodeFrame(frame []byte, head any) (body []byte, err error) {
	i := bytes.IndexByte(frame, '\n')
	if i < 0 {
		return nil, errNoFrame
	}
	if h, ok := head.(interface{ ParseHead(b []byte) error }); ok {
		err = h.ParseHead(frame[:i])
	} else {
		err = json.Unmarshal(frame[:i], head)
	}
	if err != nil {
		return nil, fmt.Errorf("queue: decode head: %w", err)
	}
	if i+1 == len(frame) {
		return nil, nil
	}
	return frame[i+1:], nil
}

func decodeJob(frame []byte) (*job.Job, error) {
	j := new(job.Job)
	body, err := decodeFrame(frame, j)
	j.Input = body
	return j, err
}

func decodeEvent(frame []byte, seq uint64) (*job.Event, error) {
	e := new(job.Event)
	body, err := decodeFrame(frame, e)
	e.Body, e.Seq = body, seq
	return e, err
}
