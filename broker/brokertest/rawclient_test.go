package brokertest_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"vigil/broker/brokertest"
)

// patience bounds the wait for what must happen.
const patience = 20 * time.Second

// moment is how long nothing must come for silence to be believed.
const moment = 100 * time.Millisecond

// rawClient is a client of bytes, which sees what the kernel says.
type rawClient struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func address(b *brokertest.Broker) string {
	_, address, _ := strings.Cut(b.URL(), "://")
	return address
}

// dialRaw connects a socket, and says nothing.
func dialRaw(t *testing.T, b *brokertest.Broker) *rawClient {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address(b), patience)
	if err != nil {
		t.Fatal(err)
	}
	return wrapRaw(t, conn)
}

func wrapRaw(t *testing.T, conn net.Conn) *rawClient {
	t.Cleanup(func() { conn.Close() })
	return &rawClient{t: t, conn: conn, in: bufio.NewReader(conn)}
}

// join connects a client of that name which subscribes to orders.>.
func join(t *testing.T, b *brokertest.Broker, name string) *rawClient {
	t.Helper()
	c := dialRaw(t, b)
	c.greet(name)
	b.AwaitSubscribers(t, "orders.>", 1, brokertest.By(name))
	return c
}

func (c *rawClient) greet(name string) {
	c.t.Helper()
	c.wantPrefix("INFO {")
	c.say(fmt.Sprintf("CONNECT {\"name\":%q,\"verbose\":false,\"protocol\":0}\r\nPING\r\nSUB orders.> 1\r\n", name))
	c.want("PONG\r\n")
}

func (c *rawClient) say(text string) {
	c.t.Helper()
	c.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := c.conn.Write([]byte(text)); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// skipPings answers and forgets the PINGs of the broker that are next.
func (c *rawClient) skipPings() {
	c.t.Helper()
	for {
		if next, _ := c.in.Peek(1); string(next) != "P" {
			return
		}
		if next, _ := c.in.Peek(2); string(next) != "PI" {
			return
		}
		if line, err := c.in.ReadString('\n'); err != nil || line != "PING\r\n" {
			c.t.Fatalf("read %q, %v; want PING", line, err)
		}
		c.say("PONG\r\n")
	}
}

// want reads exactly text, and PINGs between its lines.
func (c *rawClient) want(text string) {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(patience))
	var got []byte
	for line := range strings.Lines(text) {
		c.skipPings()
		part := make([]byte, len(line))
		n, err := io.ReadFull(c.in, part)
		if got = append(got, part[:n]...); err != nil || string(part) != line {
			c.t.Fatalf("read %q, %v; want %q", got, err, text)
		}
	}
}

// wantPrefix reads a line.
func (c *rawClient) wantPrefix(prefix string) (line string) {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(patience))
	c.skipPings()
	line, err := c.in.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, prefix) {
		c.t.Fatalf("read %q, %v; want %s…", line, err, prefix)
	}
	return line
}

// wantSilence wants neither a byte nor an end for a moment.
func (c *rawClient) wantSilence() {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(moment))
	if b, err := c.in.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("read %q, %v; want silence", b, err)
	}
}

// wantPingsAlone wants nothing but PINGs for a moment.
func (c *rawClient) wantPingsAlone() {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(moment))
	c.skipPings()
	if b, err := c.in.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("read %q, %v; want silence but for PINGs", b, err)
	}
}

// wantEnd wants the stream to end with that error, and nothing but PINGs before it.
func (c *rawClient) wantEnd(want error) {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		line, err := c.in.ReadString('\n')
		if err == nil && line == "PING\r\n" {
			continue
		}
		if line != "" || !errors.Is(err, want) {
			c.t.Fatalf("read %q, %v; want %v", line, err, want)
		}
		return
	}
}

func (c *rawClient) wantFIN()   { c.t.Helper(); c.wantEnd(io.EOF) }
func (c *rawClient) wantReset() { c.t.Helper(); c.wantEnd(syscall.ECONNRESET) }

// wantMessage publishes a message and wants it to come.
func (c *rawClient) wantMessage(b *brokertest.Broker, data string) {
	c.t.Helper()
	b.Publish(c.t, "orders.1", []byte(data))
	c.want(message(data))
}

func message(data string) string { return fmt.Sprintf("MSG orders.1 1 %d\r\n%s\r\n", len(data), data) }

// wantRefused wants dials to be refused.
func wantRefused(t *testing.T, b *brokertest.Broker) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address(b), patience)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		if err == nil {
			conn.Close()
		}
		t.Fatalf("dial: %v, want it refused", err)
	}
}
