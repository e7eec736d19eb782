package broker_test

import (
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vigil/broker"
	"vigil/internal/memnet"
)

// What is sent to a member of a queue group that has vanished is lost only until
// it is suspect; from then on the others get everything. When it is back, it is
// given its part again.
func TestSuspectMemberIsPassedOver(t *testing.T) {
	bubble(t, broker.Config{}, func(t *testing.T, n *memnet.Network) {
		gone, stays, pub := dialMem(t, n), dialMem(t, n), dialMem(t, n)
		counts := make([]int, 2)
		var mu sync.Mutex
		var members sync.WaitGroup
		for i, m := range []*rawClient{gone, stays} {
			m.ready(quiet)
			m.write("SUB work q 1\r\n")
			m.flush()
			members.Go(func() {
				m.hear(func() {
					mu.Lock()
					counts[i]++
					mu.Unlock()
				})
			})
			_ = m.conn.SetReadDeadline(time.Time{})
		}
		pub.ready(quiet)
		_ = pub.conn.SetReadDeadline(time.Time{})
		members.Go(func() { pub.hear(func() {}) })
		// publish sends one message each 10 ms and returns what each had.
		publish := func(d time.Duration) (toGone, toStays int) {
			mu.Lock()
			clear(counts)
			mu.Unlock()
			for range d / (10 * time.Millisecond) {
				pub.write("PUB work 1\r\nx\r\n")
				time.Sleep(10 * time.Millisecond)
			}
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return counts[0], counts[1]
		}
		if a, b := publish(5 * time.Second); a < 150 || b < 150 || a+b != 500 {
			t.Errorf("both healthy: %d and %d of 500", a, b)
		}
		n.Cut(gone.conn.LocalAddr().String())
		// In 2.5 s at most it is suspect: of 250 messages some half are lost.
		_, b := publish(2500 * time.Millisecond)
		if lost := 250 - b; lost < 30 || lost > 160 {
			t.Errorf("%d messages were lost before suspicion, want about half of 100 to 250", lost)
		}
		if _, b := publish(5 * time.Second); b != 500 {
			t.Errorf("while it is suspect %d of 500 reach the other", b)
		}
		n.Heal(gone.conn.LocalAddr().String())
		publish(100 * time.Millisecond)
		if a, b := publish(5 * time.Second); a < 150 || b < 150 || a+b != 500 {
			t.Errorf("healthy again: %d and %d of 500", a, b)
		}
		for _, c := range []*rawClient{gone, stays, pub} {
			c.conn.Close()
		}
		members.Wait()
	})
}

// hear answers PINGs and calls got for each message, until the connection ends.
func (c *rawClient) hear(got func()) {
	for {
		line, err := c.in.ReadString('\n')
		switch {
		case err != nil:
			return
		case line == "PING\r\n":
			c.write("PONG\r\n")
		case strings.HasPrefix(line, "MSG"):
			got()
		}
	}
}

// A client that reads slowly has megabytes waiting, and its PING is not behind
// them: it is kept as long as it answers.
func TestSlowReaderIsNotStale(t *testing.T) {
	cfg := broker.Config{PingInterval: 2 * time.Second}
	bubble(t, cfg, func(t *testing.T, n *memnet.Network) {
		slow, pub := dialMem(t, n), dialMem(t, n)
		slow.ready(quiet)
		slow.write("SUB a 1\r\n")
		slow.flush()
		pub.ready(quiet)
		message := "PUB a 65536\r\n" + strings.Repeat("x", 1<<16) + "\r\n"
		for range 500 { // 31 MiB; the broker holds its reads back a little
			pub.write(message)
		}
		pub.flush()
		pub.conn.Close()
		_ = slow.conn.SetReadDeadline(time.Time{})
		payload := make([]byte, 1<<16+2)
		pings := 0
		for got := 0; got < 500; {
			line, err := slow.in.ReadString('\n')
			if err != nil {
				t.Fatalf("behind %d messages, %d PINGs: %v", got, pings, err)
			}
			if line == "PING\r\n" {
				pings++
				slow.write("PONG\r\n")
				continue
			}
			if _, err := io.ReadFull(slow.in, payload); err != nil {
				t.Fatal(err)
			}
			got++
			time.Sleep(50 * time.Millisecond) // 25 s for all of it
		}
		if pings < 5 {
			t.Errorf("only %d PINGs came in time", pings)
		}
		slow.conn.Close()
	})
}
