package bench

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// natsDialect is the client protocol of NATS.
type natsDialect struct{}

// natsConnect is how clients introduce themselves that want no more than they
// need: no acknowledgement of each operation.
const natsConnect = `CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,` +
	`"protocol":1,"lang":"go","version":"1.0.0","name":"bench"}` + "\r\nPING\r\n"

func (natsDialect) appendPublish(b []byte, m message) []byte {
	verb := "PUB "
	if m.header != "" {
		verb = "HPUB "
	}
	b = append(append(b, verb...), m.subject...)
	return appendBody(b, m)
}

func (natsDialect) appendDelivery(b []byte, m message) []byte {
	verb := "MSG "
	if m.header != "" {
		verb = "HMSG "
	}
	b = append(append(b, verb...), m.subject...)
	b = strconv.AppendInt(append(b, ' '), int64(m.sid), 10)
	return appendBody(b, m)
}

// appendBody appends what the two have in common: the reply subject, the sizes,
// the header block and the payload.
func appendBody(b []byte, m message) []byte {
	if m.reply != "" {
		b = append(append(b, ' '), m.reply...)
	}
	if m.header != "" {
		b = strconv.AppendInt(append(b, ' '), int64(len(m.header)), 10)
	}
	b = strconv.AppendInt(append(b, ' '), int64(len(m.header)+len(m.payload)), 10)
	b = append(append(b, "\r\n"...), m.header...)
	return append(append(b, m.payload...), "\r\n"...)
}

func (natsDialect) appendSubscribe(b []byte, subject, queue string, sid int) []byte {
	b = append(append(b, "SUB "...), subject...)
	if queue != "" {
		b = append(append(b, ' '), queue...)
	}
	return append(strconv.AppendInt(append(b, ' '), int64(sid), 10), "\r\n"...)
}

func (d natsDialect) greet(c *conn, _ bool) error {
	info, err := c.line()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(info, "INFO ") {
		return fmt.Errorf("want INFO, got %q", clip([]byte(info)))
	}
	if err := c.say(natsConnect); err != nil {
		return err
	}
	return d.pong(c)
}

func (d natsDialect) confirm(c *conn, _ int) error {
	if err := c.say("PING\r\n"); err != nil {
		return err
	}
	return d.pong(c)
}

// pong reads up to the next PONG.
func (d natsDialect) pong(c *conn) error {
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		if line == "PONG" {
			return nil
		}
		answer, err := d.control([]byte(line))
		if err != nil {
			return err
		}
		if err := c.say(answer); err != nil {
			return err
		}
	}
}

func (natsDialect) acknowledged() (ask, reply string) { return "PING\r\n", "PONG\r\n" }

func (natsDialect) mute() string { return "" }

func (natsDialect) control(line []byte) (answer string, err error) {
	switch text := strings.TrimRight(string(line), "\r\n"); {
	case text == "PING":
		return "PONG\r\n", nil
	case text == "PONG", text == "+OK", strings.HasPrefix(text, "INFO "):
		return "", nil
	case strings.HasPrefix(text, "-ERR"):
		return "", errors.New("the broker says " + text)
	default:
		return "", fmt.Errorf("the broker says %q, which is no operation", clip(line))
	}
}
