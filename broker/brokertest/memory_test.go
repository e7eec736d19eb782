package brokertest_test

import (
	"bufio"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vigil/broker/brokertest"
)

// enter connects a client in memory that is subscribed to orders.>.
func enter(t *testing.T, b *brokertest.Broker) *rawClient {
	t.Helper()
	c := scripted(t, b, "a")
	c.subscribe("orders.>")
	return c
}

// In memory and virtual time the faults are the same, and their times exact.
func TestFaultsInMemory(t *testing.T) {
	for name, script := range map[string]func(t *testing.T, b *brokertest.Broker, c *rawClient){
		"crash": func(t *testing.T, b *brokertest.Broker, c *rawClient) {
			b.Crash(t)
			c.say("PING\r\n")
			c.wantSilence()
			conn, err := b.InProcessConn() // accepted, and met by silence
			if err != nil {
				t.Fatal(err)
			}
			late := &rawClient{t: t, conn: conn, in: bufio.NewReader(conn)}
			t.Cleanup(func() { conn.Close() })
			late.wantSilence()
			b.Restart(t)
			c.wantReset()
			late.wantReset()
			enter(t, b).wantMessage(b, "again")
		},
		"kill": func(t *testing.T, b *brokertest.Broker, c *rawClient) {
			b.Kill(t)
			c.wantFIN()
			if _, err := b.InProcessConn(); err == nil {
				t.Error("connected to a dead broker")
			}
			b.Restart(t)
			enter(t, b).wantMessage(b, "again")
		},
		"reset": func(t *testing.T, b *brokertest.Broker, c *rawClient) {
			b.Reset(t)
			c.wantReset()
		},
		"freeze": func(t *testing.T, b *brokertest.Broker, c *rawClient) {
			b.Freeze(t)
			c.say("PING\r\n")
			c.wantSilence()
			b.Thaw(t)
			c.want("PONG\r\n")
		},
		"black hole": func(t *testing.T, b *brokertest.Broker, c *rawClient) {
			b.BlackHole(t, brokertest.ToBroker)
			c.say("PING\r\n")
			c.wantMessage(b, "heard")
			c.wantSilence()
			b.Heal(t)
			c.want("PONG\r\n")
		},
		"latency": func(t *testing.T, b *brokertest.Broker, c *rawClient) {
			b.Latency(t, 300*time.Millisecond)
			start := time.Now()
			c.say("PING\r\n")
			c.want("PONG\r\n")
			if took := time.Since(start); took != 600*time.Millisecond {
				t.Errorf("a round trip took %v, want 600ms", took)
			}
		},
		"bandwidth": func(t *testing.T, b *brokertest.Broker, c *rawClient) {
			b.Bandwidth(t, 1000)
			start := time.Now()
			c.wantMessage(b, strings.Repeat("x", 500))
			all := time.Duration(len(message(strings.Repeat("x", 500)))) * time.Millisecond
			if took := time.Since(start); took > all || took < all-10*time.Millisecond {
				t.Errorf("%v of bytes took %v", all, took)
			}
		},
		"cut": func(t *testing.T, b *brokertest.Broker, c *rawClient) {
			b.CutAt(t, 7)
			b.Publish(t, "orders.1", []byte("hello"))
			c.want("MSG ord")
			c.wantFIN()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := brokertest.Start(t)
				script(t, b, enter(t, b))
			})
		})
	}
}

// A client whose socket is full does not keep a crash or the end of a test waiting.
func TestCrashAmidAFlood(t *testing.T) {
	each(t, func(t *testing.T, b *brokertest.Broker) {
		c := join(t, b, "stuck")
		data := []byte(strings.Repeat("x", 100_000))
		for range 100 { // more than the kernel takes
			b.Publish(t, "orders.1", data)
		}
		b.Crash(t)
		b.Restart(t)
		join(t, b, "other").wantMessage(b, "again")
		c.conn.Close()
	})
}
