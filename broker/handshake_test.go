package broker_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/broker"
	"vigil/internal/memnet"
)

// Whatever a connection sends meanwhile: unless its first operation is complete
// in time it is closed then, without a word.
func TestHandshakeDeadline(t *testing.T) {
	for _, shape := range []struct {
		name, begin, drip string
	}{
		{"silent", "", ""},
		{"half a CONNECT", `CONNECT {"verbose":`, ""},
		{"half a message", "PUB a 1000000\r\n" + strings.Repeat("x", 1000), ""},
		{"a byte each second", "", "CONNECT {          "},
		{"blank lines have no end", "", "PING               "},
	} {
		t.Run(shape.name, func(t *testing.T) {
			cfg := broker.Config{HandshakeTimeout: 7 * time.Second}
			bubble(t, cfg, func(t *testing.T, n *memnet.Network) {
				c := dialMem(t, n)
				defer c.conn.Close()
				start := time.Now()
				c.write(shape.begin)
				var drip sync.WaitGroup
				drip.Go(func() { // ends when it has sent all
					for i := range len(shape.drip) {
						c.write(shape.drip[i : i+1])
						time.Sleep(time.Second)
					}
				})
				_ = c.conn.SetReadDeadline(time.Now().Add(time.Minute))
				got, err := io.ReadAll(c.in)
				if took := time.Since(start); took != 7*time.Second {
					t.Errorf("closed after %v (%v), want 7s", took, err)
				}
				if text := strings.ReplaceAll(string(got), "PING\r\n", ""); text != "" {
					t.Errorf("was told %q", text)
				}
				drip.Wait()
			})
		})
	}
}

// One operation is enough, whichever it is, and a negative timeout is none.
func TestHandshakeIsOver(t *testing.T) {
	for _, shape := range []struct {
		cfg   broker.Config
		first string
	}{
		{broker.Config{}, "PONG\r\n"},
		{broker.Config{}, "UNSUB 1\r\nCONN"},
		{broker.Config{HandshakeTimeout: -1}, "CONN"},
	} {
		bubble(t, shape.cfg, func(t *testing.T, n *memnet.Network) {
			c := dialMem(t, n)
			defer c.conn.Close()
			c.write(shape.first)
			_ = c.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			_, err := io.ReadAll(c.in)
			if !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "timeout") {
				t.Errorf("%q: ended with %v", shape.first, err)
			}
		})
	}
}
