package broker_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vigil/broker"
	"vigil/internal/memnet"
)

const memAddress = "broker:4222"

// bubble runs f with a broker on a network in memory, in virtual time.
func bubble(t *testing.T, cfg broker.Config, f func(t *testing.T, n *memnet.Network)) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		l, err := n.Listen(memAddress)
		check(t, err)
		cfg.Listener = l
		b, err := broker.Start(cfg)
		check(t, err)
		defer func() { // also when f ends the test
			if err := b.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		f(t, n)
	})
}

func dialMem(t *testing.T, n *memnet.Network) *rawClient {
	t.Helper()
	conn, err := n.DialContext(context.Background(), "tcp", memAddress)
	check(t, err)
	c := newRaw(t, conn)
	c.expectInfo("greeting", "{}")
	return c
}

// pinged waits for a PING and returns how long that took; false if the stream
// ends or nothing comes within limit.
func (c *rawClient) pinged(limit time.Duration) (time.Duration, bool) {
	c.t.Helper()
	before := time.Now()
	_ = c.conn.SetReadDeadline(before.Add(limit))
	line, err := c.in.ReadString('\n')
	if line != "PING\r\n" {
		c.t.Logf("instead of a PING: %q (error %v)", line, err)
		return 0, false
	}
	return time.Since(before), true
}

// The first PING comes 2 to 2.4 s after the connection, also to a client that
// talks all the time.
func TestFirstPing(t *testing.T) {
	for _, talks := range []bool{false, true} {
		bubble(t, broker.Config{}, func(t *testing.T, n *memnet.Network) {
			c := dialMem(t, n)
			var talk sync.WaitGroup
			defer talk.Wait()
			defer c.conn.Close()
			if talks {
				c.write("CONNECT " + quiet + "\r\n")
				talk.Go(func() { // ends with the connection
					for {
						if _, err := io.WriteString(c.conn, "PUB a 0\r\n\r\n"); err != nil {
							return
						}
						time.Sleep(100 * time.Millisecond)
					}
				})
			}
			after, ok := c.pinged(time.Minute)
			if !ok || after < 2*time.Second || after > 2400*time.Millisecond {
				t.Errorf("talks %v: first PING after %v (%v), want 2 to 2.4 s", talks, after, ok)
			}
		})
	}
}

// A client that says nothing is closed, with the -ERR, when a PING is due and
// PingMax are unanswered; its subscriptions go with it.
func TestSilentClientIsStale(t *testing.T) {
	cfg := broker.Config{PingInterval: 5 * time.Second, PingMax: 3}
	bubble(t, cfg, func(t *testing.T, n *memnet.Network) {
		silent := dialMem(t, n)
		start := time.Now()
		silent.write("SUB a 1\r\n")
		silent.expect("verbose", "+OK")

		_ = silent.conn.SetReadDeadline(time.Time{})
		var lines []string
		for {
			line, err := silent.in.ReadString('\n')
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Errorf("the stream ends with %v", err)
				}
				break
			}
			lines = append(lines, strings.TrimSpace(line))
		}
		silent.conn.Close()
		if got := strings.Join(lines, ","); got != "PING,PING,PING,PING,-ERR 'Stale Connection'" {
			t.Errorf("got %s, want the greeting PING, three more and the -ERR", got)
		}
		if took := time.Since(start); took < 20*time.Second || took > 20500*time.Millisecond {
			t.Errorf("closed after %v, want 4 intervals of 5 s", took)
		}

		other := dialMem(t, n)
		defer other.conn.Close()
		other.ready(quiet)
		other.write("SUB r 1\r\nPUB a r 0\r\n\r\n")
		other.expect("the subscription is gone", "HMSG r 1 33 33")
	})
}

// One that has vanished without a trace is found as well, and its queue group
// goes on without it.
func TestVanishedClientIsStale(t *testing.T) {
	bubble(t, broker.Config{}, func(t *testing.T, n *memnet.Network) {
		gone := dialMem(t, n)
		gone.write("SUB a q 1\r\n")
		gone.expect("verbose", "+OK")
		n.Vanish(gone.conn.LocalAddr().String())

		time.Sleep(32 * time.Second) // 3 intervals, and the second to linger
		other := dialMem(t, n)
		defer other.conn.Close()
		other.ready(quiet)
		other.write("SUB r 1\r\nPUB a r 0\r\n\r\n")
		other.expect("the subscription is gone", "HMSG r 1 33 33")
	})
}

// A client that answers, and one that never answers but talks, are kept.
func TestLivingClientsAreKept(t *testing.T) {
	bubble(t, broker.Config{PingInterval: time.Second}, func(t *testing.T, n *memnet.Network) {
		answers, talks := dialMem(t, n), dialMem(t, n)
		end := time.Now().Add(10 * time.Minute)
		done := make(chan error, 2)
		go func() { // ends at the time, which the test waits for
			for time.Now().Before(end) {
				_ = answers.conn.SetReadDeadline(end)
				line, err := answers.in.ReadString('\n')
				if errors.Is(err, os.ErrDeadlineExceeded) {
					break
				}
				if line != "PING\r\n" {
					done <- errors.New("answers: got " + line)
					return
				}
				answers.write("PONG\r\n")
			}
			done <- nil
		}()
		go func() { // the same
			for time.Now().Before(end) {
				if _, err := io.WriteString(talks.conn, "PONGxx\r\n"); err != nil {
					done <- err
					return
				}
				time.Sleep(990 * time.Millisecond)
			}
			done <- nil
		}()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		answers.flush()
		talks.write("PING\r\n")
		talks.expect("greeting", "PONG")
		answers.conn.Close()
		talks.conn.Close()
	})
}
