package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// message is one server-sent event: its text as it came, and what is in it.
type message struct {
	text string
	id   int
	name string
	data string
}

// readMessages reads events until the stream ends, f says to stop, or the connection breaks in the middle of one, which
// then does not count. Comments are passed over.
func readMessages(r io.Reader, f func(message) (more bool)) {
	lines := bufio.NewReader(r)
	var m message
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		if strings.HasPrefix(line, ":") {
			comment, err := lines.ReadString('\n') // the empty line after it
			if err != nil || comment != "\n" {
				return
			}
			continue
		}
		m.text += line
		switch field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); field {
		case "id":
			m.id, _ = strconv.Atoi(value) // 0 is no id, and is found out
		case "event":
			m.name = value
		case "data":
			m.data = value
		case "":
			if !f(m) {
				return
			}
			m = message{}
		}
	}
}

// take reads a stream into the entry, from the event after the last one there, at most as many as given. It tells
// whether the job's last event came.
func (e *entry) take(r io.Reader, most int) (done bool) {
	readMessages(r, func(m message) bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		want := strings.Count(e.stream, "\n\n") + 1
		if m.id != want {
			e.broken = append(e.broken, "event "+strconv.Itoa(m.id)+" where "+strconv.Itoa(want)+" was due")
			return false
		}
		e.stream += m.text
		if m.name == "done" {
			e.whole, done = true, true
			return false
		}
		most--
		return most > 0
	})
	return done
}

// follow reads a job's events to the end, hanging up now and then and coming back where it was.
func (c *client) follow(ctx context.Context, e *entry) {
	for ctx.Err() == nil {
		e.mu.Lock()
		id, last := e.id, strings.Count(e.stream, "\n\n")
		e.mu.Unlock()
		path, header := "/v1/jobs/"+id+"/events", []string(nil)
		switch {
		case last == 0:
		case c.rng.IntN(2) == 0:
			header = []string{"Last-Event-ID", strconv.Itoa(last)}
		default:
			path += "?starting_after=" + strconv.Itoa(last)
		}
		one, hangUp := context.WithTimeout(ctx, requestTimeout)
		a := c.api.open(one, e.tenant.token, http.MethodGet, path, nil, header...)
		done := false
		if a.stream != nil {
			switch {
			case a.status == http.StatusOK:
				if done = e.take(a.stream, 1+c.rng.IntN(6)); !done {
					e.cut()
				}
			case a.status < 500:
				e.wrong("its events: status %d", a.status)
				done = true
			}
			_ = a.stream.Close() // whatever is left of it is not wanted
		}
		hangUp()
		if done {
			return
		}
		_ = wait(ctx, c.between(0, 60)) // the loop looks at ctx
	}
}
