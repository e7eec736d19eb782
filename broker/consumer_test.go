package broker

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// testPatience is how long these tests wait for what must happen.
const testPatience = 20 * time.Second

func startTest(tb testing.TB, cfg Config) *Broker {
	tb.Helper()
	if cfg.Listener == nil && cfg.Port == 0 {
		cfg.Port = RandomPort
	}
	b, err := Start(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testPatience)
		defer cancel()
		if err := b.Shutdown(ctx); err != nil {
			tb.Error(err)
		}
	})
	return b
}

// clientOf returns the client whose remote address is conn's local one.
func (b *Broker) clientOf(conn net.Conn) *client {
	for _, c := range b.snapshot() {
		if c.remote == conn.LocalAddr().String() {
			return c
		}
	}
	return nil
}

// A subscriber that never reads is closed, and neither its neighbour nor the
// publisher suffers from it.
func TestSlowConsumer(t *testing.T) {
	for _, shape := range []struct {
		name string
		cfg  Config
		want closeReason
	}{
		{"pending", Config{MaxPending: 8 << 20}, slowPending},
		{"deadline", Config{WriteDeadline: 300 * time.Millisecond, MaxPending: 512 << 20}, slowDeadline},
	} {
		t.Run(shape.name, func(t *testing.T) {
			b := startTest(t, shape.cfg)
			stuck, healthy := rawConn(t, b), rawConn(t, b)
			rawFlush(t, stuck, "SUB a 1\r\n")
			rawFlush(t, healthy, "SUB a 1\r\n")
			slow := b.clientOf(stuck)

			const size, messages = 64 << 10, 400 // 25 MiB
			got := make(chan error, 1)
			go func() { got <- readNumbered(healthy, size, messages) }() // ends when all were read
			pub := rawConn(t, b)
			pad := strings.Repeat("x", size-8)
			for i := range messages {
				if _, err := fmt.Fprintf(pub, "PUB a %d\r\n%08d%s\r\n", size, i, pad); err != nil {
					t.Fatal(err)
				}
			}
			rawFlush(t, pub, "")
			if err := <-got; err != nil {
				t.Errorf("the healthy subscriber: %v", err)
			}
			awaitCount(t, b, 2) // before anything is read from the stuck one
			awaitEnd(t, stuck)
			if slow.reason != shape.want {
				t.Errorf("closed as %q, want %q", slow.reason, shape.want)
			}
		})
	}
}

// A subscriber that takes nothing is waited for by nobody, long before it is
// closed: not even a hundredth of a second per batch.
func TestStuckConsumerHoldsNobody(t *testing.T) {
	b := startTest(t, Config{MaxPending: 512 << 20})
	stuck := rawConn(t, b)
	rawFlush(t, stuck, "SUB a 1\r\n")
	pub := rawConn(t, b)
	const size, messages = 64 << 10, 800
	message := fmt.Sprintf("PUB a %d\r\n%s\r\n", size, strings.Repeat("x", size))
	start := time.Now()
	for range messages {
		if _, err := io.WriteString(pub, message); err != nil {
			t.Fatal(err)
		}
	}
	rawFlush(t, pub, "")
	// Held back all the way it would take messages x holdBack, 8 s.
	if took := time.Since(start); took > messages*holdBack/2 {
		t.Errorf("the publisher took %v", took)
	}
}

// readNumbered reads messages of size bytes that begin with their number.
func readNumbered(conn net.Conn, size, messages int) error {
	in := bufio.NewReaderSize(conn, 256<<10)
	payload := make([]byte, size+2)
	for i := range messages {
		line, err := in.ReadString('\n')
		for line == "PING\r\n" && err == nil {
			line, err = in.ReadString('\n')
		}
		if err == nil {
			_, err = io.ReadFull(in, payload)
		}
		if err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		if want := fmt.Sprintf("%08d", i); string(payload[:8]) != want {
			return fmt.Errorf("got message %s, want %s", payload[:8], want)
		}
	}
	return nil
}

// awaitEnd reads until the broker has closed conn.
func awaitEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(testPatience))
	_, err := io.Copy(io.Discard, conn)
	if isTimeout(err) {
		t.Error("the broker does not close the connection")
	}
}

// awaitCount waits until the broker has n clients.
func awaitCount(t *testing.T, b *Broker, n int) {
	t.Helper()
	deadline := time.After(testPatience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for len(b.snapshot()) != n {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d clients, want %d", len(b.snapshot()), n)
		}
	}
}

// Who asks and never reads the answers is slow as well.
func TestSlowConsumerOfReplies(t *testing.T) {
	b := startTest(t, Config{MaxPending: 1 << 20, MaxPayload: 1 << 20})
	conn := rawConn(t, b)
	c := b.clientOf(conn)
	flood := strings.Repeat("PING\r\n", 10_000)
	for range 10_000 {
		if _, err := io.WriteString(conn, flood); err != nil {
			break
		}
	}
	awaitCount(t, b, 0)
	if c.reason != slowPending {
		t.Errorf("closed as %q, want %q", c.reason, slowPending)
	}
}

// A client that ends its output still gets what it has earned.
func TestHalfClose(t *testing.T) {
	b := startTest(t, Config{})
	conn, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	payload := strings.Repeat("x", 1<<20)
	input := "CONNECT {\"verbose\":false}\r\nSUB a 1\r\n"
	for range 8 {
		input += "PUB a 1048576\r\n" + payload + "\r\n"
	}
	if _, err := io.WriteString(conn, input+"PING\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(conn)
	if err != nil || strings.Count(string(all), payload) != 8 || !strings.HasSuffix(string(all), "PONG\r\n") {
		t.Errorf("got %d bytes (error %v), want 8 messages and the PONG", len(all), err)
	}
	awaitCount(t, b, 0)
}
