package bench

import (
	"errors"
	"fmt"
	"strings"
)

// respDialect is Redis's protocol, as far as publishing and subscribing go.
// It has no queue groups and no headers.
type respDialect struct{}

func (respDialect) appendPublish(b []byte, m message) []byte {
	return appendBulk(b, "PUBLISH", m.subject, string(m.payload))
}

func (respDialect) appendDelivery(b []byte, m message) []byte {
	return appendBulk(b, "message", m.subject, string(m.payload))
}

func (respDialect) appendSubscribe(b []byte, subject, _ string, _ int) []byte {
	return appendBulk(b, "SUBSCRIBE", subject)
}

// appendBulk appends an array of strings.
func appendBulk(b []byte, items ...string) []byte {
	b = fmt.Appendf(b, "*%d\r\n", len(items))
	for _, item := range items {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(item), item)
	}
	return b
}

func (respDialect) greet(c *conn, _ bool) error {
	if err := c.say("PING\r\n"); err != nil {
		return err
	}
	line, err := c.line()
	if err == nil && line != "+PONG" {
		err = fmt.Errorf("want +PONG, got %q", clip([]byte(line)))
	}
	return err
}

// respSubscribed is how many lines Redis confirms a subscription with.
const respSubscribed = 6

func (respDialect) confirm(c *conn, n int) error {
	for range n * respSubscribed {
		line, err := c.line()
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, "-") {
			return errors.New("the broker says " + line)
		}
	}
	return nil
}

// Redis answers every PUBLISH with the number of its receivers.
func (respDialect) acknowledged() (ask, reply string) { return "", ":0\r\n" }

func (respDialect) mute() string { return "CLIENT REPLY OFF\r\n" }

func (respDialect) control(line []byte) (answer string, err error) {
	return "", fmt.Errorf("the broker says %q", clip(line))
}
