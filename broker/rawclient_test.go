package broker_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// rawClient speaks the protocol by hand. Its expectations end the test when
// they are not met.
type rawClient struct {
	t     *testing.T
	conn  net.Conn
	in    *bufio.Reader
	ended bool
	// repeats says that the broker may tell of an invalid subject again when
	// the payload comes in another read than the control line. nats-server does.
	repeats bool
	last    string // the last line
}

func dialRaw(t *testing.T, addr string) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	check(t, err)
	t.Cleanup(func() { conn.Close() })
	return newRaw(t, conn)
}

func newRaw(t *testing.T, conn net.Conn) *rawClient {
	return &rawClient{t: t, conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
}

// quiet are the CONNECT options of most tests.
const quiet = `{"verbose":false,"pedantic":false,"headers":true,"no_responders":true}`

func (c *rawClient) ready(options string) {
	c.t.Helper()
	c.write("CONNECT " + options + "\r\n")
	c.flush()
}

// write sends text. That the broker may have closed the stream meanwhile shows
// when reading.
func (c *rawClient) write(text string) { _, _ = io.WriteString(c.conn, text) }

// flush waits for the PONG behind everything that was sent; nothing may come
// before it.
func (c *rawClient) flush() {
	c.t.Helper()
	c.write("PING\r\n")
	c.expect("flush", "PONG")
}

// line returns the next line without its CRLF. PINGs, which may come at any
// time, are answered and passed over.
func (c *rawClient) line() (string, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		text, err := c.in.ReadString('\n')
		if err != nil {
			return text, err
		}
		if text == "PING\r\n" {
			c.write("PONG\r\n")
			continue
		}
		if c.repeats && text == c.last && strings.HasPrefix(text, "-ERR 'Invalid Publish") {
			continue
		}
		c.last = text
		if n := len(text) - 2; n >= 0 && text[n] == '\r' {
			return text[:n], nil
		}
		return text, nil
	}
}

func (c *rawClient) expect(at, want string) {
	c.t.Helper()
	got, err := c.line()
	if got != want || err != nil {
		c.t.Fatalf("%s: got %.300q (error %v), want %.300q", at, got, err, want)
	}
}

func (c *rawClient) expectMatch(at string, want *regexp.Regexp) {
	c.t.Helper()
	got, err := c.line()
	if err != nil || !want.MatchString(got) {
		c.t.Fatalf("%s: got %.300q (error %v), want a match of %s", at, got, err, want)
	}
}

func (c *rawClient) expectUnordered(at string, want []string) {
	c.t.Helper()
	var got []string
	for range want {
		line, err := c.line()
		if err != nil {
			c.t.Fatalf("%s: %v behind %q, want %q", at, err, got, want)
		}
		got = append(got, line)
	}
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		c.t.Fatalf("%s: got %q, want %q", at, got, want)
	}
}

func (c *rawClient) expectInfo(at, want string) {
	c.t.Helper()
	got, err := c.line()
	if err == nil {
		err = infoHas(got, want)
	}
	if err != nil {
		c.t.Fatalf("%s: %v", at, err)
	}
}

// expectEnd wants the end of the stream and nothing before it.
func (c *rawClient) expectEnd(at string) {
	c.t.Helper()
	got, err := c.line()
	// A broker that closes with input unread resets the connection.
	if got != "" || !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		c.t.Fatalf("%s: got %.300q (error %v), want the end of the stream", at, got, err)
	}
	c.ended = true
	c.conn.Close()
}
