package stack

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// JobConsumers asks the broker how many consumers the stream of jobs has, by the few lines of its text protocol that it
// takes: only the queue's package may use the client library.
func (s *Stack) JobConsumers(ctx context.Context) (n int, err error) {
	address, err := s.broker()
	if err != nil {
		return 0, err
	}
	u, err := url.Parse(address)
	if err != nil {
		return 0, err
	}
	c, err := new(net.Dialer).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, err
	}
	in := bufio.NewReader(c)
	if _, err := in.ReadString('\n'); err != nil { // INFO
		return 0, err
	}
	password, _ := u.User.Password()
	hello, err := json.Marshal(map[string]any{"user": u.User.Username(), "pass": password, "verbose": false, "name": "promises"})
	if err != nil {
		return 0, err
	}
	inbox := "_INBOX.promises." + strconv.FormatInt(time.Now().UnixNano(), 36)
	_, err = fmt.Fprintf(c, "CONNECT %s\r\nSUB %s 1\r\nPUB $JS.API.STREAM.INFO.JOBS %s 0\r\n\r\n", hello, inbox, inbox)
	for err == nil {
		var line string
		if line, err = in.ReadString('\n'); err != nil {
			break
		}
		switch fields := strings.Fields(line); {
		case len(fields) == 0, fields[0] == "PING", fields[0] == "PONG", fields[0] == "INFO":
		case fields[0] == "MSG":
			size, _ := strconv.Atoi(fields[len(fields)-1])
			body := make([]byte, size)
			if _, err := io.ReadFull(in, body); err != nil {
				return 0, err
			}
			var info struct {
				State *struct {
					Consumers int `json:"consumer_count"`
				} `json:"state"`
			}
			if err := json.Unmarshal(body, &info); err != nil || info.State == nil {
				return 0, fmt.Errorf("the broker says %s", body)
			}
			return info.State.Consumers, nil
		default:
			return 0, fmt.Errorf("the broker says %s", strings.TrimSpace(line))
		}
	}
	return 0, err
}
