package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// setupTimeout bounds each thing that is not measured, such as dialling and
// greeting, and how long nothing may be delivered.
const setupTimeout = 10 * time.Second

// conn is a connection of the load generator to a contender. Lines are read
// from it one at a time until a [receiver] takes it over.
type conn struct {
	net.Conn
	lines *bufio.Reader
}

// lineBuffer is what a connection reads its first lines with, in bytes: there
// may be tens of thousands of connections.
const lineBuffer = 512

// dial connects to addr and greets. The connection has no deadline then.
func dial(ctx context.Context, d dialect, addr string, subscriber bool) (*conn, error) {
	dialer := net.Dialer{Timeout: setupTimeout, KeepAlive: -1}
	nc, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: nc, lines: bufio.NewReaderSize(nc, lineBuffer)}
	if err := c.within(setupTimeout, func() error { return d.greet(c, subscriber) }); err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("greet: %w", err)
	}
	return c, nil
}

// within runs f under a deadline on the connection.
func (c *conn) within(d time.Duration, f func() error) error {
	if err := c.SetDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return c.SetDeadline(time.Time{})
}

// line reads a line, without its end.
func (c *conn) line() (string, error) {
	text, err := c.lines.ReadString('\n')
	if err != nil {
		return "", noEOF(err)
	}
	return strings.TrimRight(text, "\r\n"), nil
}

// say writes text.
func (c *conn) say(text string) error {
	_, err := io.WriteString(c.Conn, text)
	return err
}

// subscribe writes the subscriptions and waits until all are in effect.
func (c *conn) subscribe(d dialect, subscriptions []byte, n int) error {
	return c.within(6*setupTimeout, func() error {
		if _, err := c.Write(subscriptions); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		if err := d.confirm(c, n); err != nil {
			return fmt.Errorf("confirm subscriptions: %w", err)
		}
		return nil
	})
}

// noEOF turns the end of a stream that ought to go on into an error that says
// so.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the broker closed the connection")
	}
	return err
}
