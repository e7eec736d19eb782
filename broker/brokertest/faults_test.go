package brokertest_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"vigil/broker"
	"vigil/broker/brokertest"
	"vigil/broker/brokertest/natstest"
)

// brokers are what a test of faults runs on: one seam, two brokers.
var brokers = map[string]func(t *testing.T) *brokertest.Broker{
	"vigil":       func(t *testing.T) *brokertest.Broker { return brokertest.Start(t) },
	"nats-server": func(t *testing.T) *brokertest.Broker { return natstest.Start(t) },
}

// each runs f on both brokers.
func each(t *testing.T, f func(t *testing.T, b *brokertest.Broker)) {
	t.Parallel()
	for name, start := range brokers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, start(t))
		})
	}
}

func TestCrashSendsNothing(t *testing.T) {
	each(t, func(t *testing.T, b *brokertest.Broker) {
		c := join(t, b, "a")
		c.wantMessage(b, "one")
		b.Crash(t)
		c.wantSilence()
		c.say("PING\r\n") // the kernel takes it
		late := dialRaw(t, b)
		late.say("PING\r\n")
		c.wantSilence()
		late.wantSilence()
		b.Restart(t)
		c.wantReset()
		late.wantReset()
		join(t, b, "a").wantMessage(b, "two")
	})
}

func TestKillSendsAFIN(t *testing.T) {
	each(t, func(t *testing.T, b *brokertest.Broker) {
		c := join(t, b, "a")
		url := b.URL()
		b.Kill(t)
		c.wantFIN()
		wantRefused(t, b)
		wantRefused(t, b)
		b.Restart(t)
		if b.URL() != url {
			t.Errorf("back at %s, not at %s", b.URL(), url)
		}
		join(t, b, "a").wantMessage(b, "again")
	})
}

func TestRestartOfARunningBroker(t *testing.T) {
	each(t, func(t *testing.T, b *brokertest.Broker) {
		c := join(t, b, "a")
		b.Restart(t)
		c.wantFIN()
		join(t, b, "a").wantMessage(b, "again")
	})
}

func TestFreeze(t *testing.T) {
	each(t, func(t *testing.T, b *brokertest.Broker) {
		c := join(t, b, "a")
		b.Freeze(t)
		c.say("PING\r\n")
		b.Publish(t, "orders.1", []byte("frozen"))
		late := dialRaw(t, b) // the kernel accepts
		c.wantSilence()
		late.wantSilence()
		b.Thaw(t)
		if c.wantPrefix("") == "PONG\r\n" { // in whichever order
			c.want(message("frozen"))
		} else {
			c.want("frozen\r\nPONG\r\n")
		}
		late.greet("late")
		c.wantMessage(b, "thawed")
	})
}

func TestBlackHoleToTheBroker(t *testing.T) {
	each(t, func(t *testing.T, b *brokertest.Broker) {
		c := join(t, b, "a")
		b.BlackHole(t, brokertest.ToBroker)
		c.say("PING\r\n")
		c.wantPingsAlone()
		c.wantMessage(b, "still heard")
		b.Heal(t)
		c.want("PONG\r\n") // late, not lost
	})
}

func TestBlackHoleFromTheBroker(t *testing.T) {
	each(t, func(t *testing.T, b *brokertest.Broker) {
		c := join(t, b, "a")
		b.BlackHole(t, brokertest.FromBroker)
		c.say("SUB more 2\r\n")
		b.AwaitSubscribers(t, "more", 1) // it got there
		b.Publish(t, "orders.1", []byte("swallowed"))
		c.wantSilence()
		b.Heal(t)
		c.want(message("swallowed"))
	})
}

func TestBlackHoleBothWaysAndOfOneClient(t *testing.T) {
	each(t, func(t *testing.T, b *brokertest.Broker) {
		a, other := join(t, b, "a"), join(t, b, "other")
		b.Client("a").BlackHole(t, brokertest.Both)
		a.say("PING\r\n")
		other.wantMessage(b, "one")
		a.wantSilence()
		// It stays with the client through its reconnects.
		again := dialRaw(t, b)
		again.wantPrefix("INFO {")
		again.say("CONNECT {\"name\":\"a\"}\r\nPING\r\n")
		again.wantSilence()
		b.Client("a").Heal(t)
		again.want("+OK\r\nPONG\r\n") // verbose is the default
		a.want(message("one"))
		a.want("PONG\r\n")
	})
}

func TestCrashOfOneClient(t *testing.T) {
	each(t, func(t *testing.T, b *brokertest.Broker) {
		a, other := join(t, b, "a"), join(t, b, "other")
		b.Client("a").Crash(t)
		other.wantMessage(b, "one")
		a.wantSilence()
		b.Client("a").Heal(t)
		a.wantReset()
		other.wantMessage(b, "two")
	})
}

func TestKillAndResetOfOneClient(t *testing.T) {
	each(t, func(t *testing.T, b *brokertest.Broker) {
		a, other := join(t, b, "a"), join(t, b, "other")
		b.Client("a").Kill(t)
		a.wantFIN()
		a = join(t, b, "a")
		b.AwaitConnect(t, brokertest.By("a")).Reset(t) // by connection
		a.wantReset()
		other.wantMessage(b, "still here")
	})
}

// Who gives no name is a client, and no connection has the number 0.
func TestClientsWithoutAName(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	anonymous, named := join(t, b, ""), join(t, b, "a")
	b.Client("").Reset(t)
	anonymous.wantReset()
	named.wantMessage(b, "still here")
	r := &recorder{TB: t}
	r.run(func(r testing.TB) { b.Conn(0).Reset(r) })
	if !r.failed {
		t.Error("a connection with the number 0 was reset")
	}
	named.wantMessage(b, "still")
}

func TestReset(t *testing.T) {
	each(t, func(t *testing.T, b *brokertest.Broker) {
		c := join(t, b, "a")
		b.Reset(t)
		c.wantReset()
		join(t, b, "a").wantMessage(b, "at once")
	})
}

func TestLatency(t *testing.T) {
	each(t, func(t *testing.T, b *brokertest.Broker) {
		const delay = 60 * time.Millisecond
		c := join(t, b, "a")
		b.Latency(t, delay)
		start := time.Now()
		c.say("PING\r\n")
		c.want("PONG\r\n")
		if took := time.Since(start); took < 2*delay {
			t.Errorf("a round trip took %v, want at least %v", took, 2*delay)
		}
		b.Latency(t, 0)
		c.wantMessage(b, "soon")
	})
}

func TestBandwidth(t *testing.T) {
	each(t, func(t *testing.T, b *brokertest.Broker) {
		c := join(t, b, "a")
		b.Bandwidth(t, 50_000)
		start := time.Now()
		c.wantMessage(b, strings.Repeat("x", 10_000)) // 200 ms
		if took := time.Since(start); took < 180*time.Millisecond {
			t.Errorf("10 kB came within %v at 50 kB/s", took)
		}
		b.Heal(t)
		c.wantMessage(b, "fast again")
	})
}

// A slow reader is for the broker to find.
func TestSlowReaderIsASlowConsumer(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.Config{Broker: broker.Config{MaxPayload: 32 << 10, MaxPending: 64 << 10}})
	slow, other := join(t, b, "slow"), join(t, b, "other")
	b.Client("slow").SlowReader(t, 100)
	data := strings.Repeat("x", 30<<10)
	for range 8 {
		other.wantMessage(b, data)
	}
	b.Client("slow").Heal(t)
	slow.conn.SetReadDeadline(time.Now().Add(patience))
	all := 0
	for buf := make([]byte, 4096); ; {
		n, err := slow.in.Read(buf)
		all += n
		if err != nil {
			break // closed as a slow consumer
		}
	}
	if all >= 8*len(data) {
		t.Errorf("the slow reader got all %d bytes", all)
	}
}

func TestLameDuck(t *testing.T) {
	each(t, func(t *testing.T, b *brokertest.Broker) {
		c := dialRaw(t, b)
		c.wantPrefix("INFO {")
		c.say("CONNECT {\"name\":\"a\",\"verbose\":false,\"protocol\":1}\r\nPING\r\n")
		c.want("PONG\r\n")
		b.LameDuck(t)
		for line := ""; !strings.Contains(line, `"ldm":true`); {
			line = c.wantPrefix("INFO {")
		}
		wantRefused(t, b)
		for { // some more of the kind may come
			if _, err := c.in.Peek(1); err != nil {
				break
			}
			c.wantPrefix("INFO {")
		}
		c.wantFIN()
		b.Restart(t)
		join(t, b, "a").wantMessage(b, "again")
	})
}

func TestRefuseConnects(t *testing.T) {
	each(t, func(t *testing.T, b *brokertest.Broker) {
		c := join(t, b, "a")
		b.RefuseConnects(t)
		wantRefused(t, b)
		if conn, err := b.InProcessConn(); err == nil {
			conn.Close()
			t.Error("a connection in memory was not refused")
		}
		c.wantMessage(b, "not concerned")
		b.Heal(t)
		join(t, b, "b")
	})
}

// Other sockets that ask for any free port are not given that of a broker which
// refuses.
func TestThePortIsKept(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	b.Kill(t)
	for range 200 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		if l.Addr().String() == address(b) {
			t.Fatal("the port was given away")
		}
	}
	b.Restart(t)
	join(t, b, "a")
}

func TestAcceptAndSayNothing(t *testing.T) {
	each(t, func(t *testing.T, b *brokertest.Broker) {
		c := join(t, b, "a")
		b.AcceptAndSayNothing(t)
		late := dialRaw(t, b)
		late.wantSilence()
		c.wantMessage(b, "not concerned")
		b.Heal(t)
		late.greet("late")
	})
}

func TestCutAt(t *testing.T) {
	each(t, func(t *testing.T, b *brokertest.Broker) {
		c := join(t, b, "a")
		b.CutAt(t, 25)
		b.Publish(t, "orders.1", []byte("hello"))
		b.Publish(t, "orders.1", []byte("world"))
		c.conn.SetReadDeadline(time.Now().Add(patience))
		got, err := io.ReadAll(c.in) // to the FIN
		all := message("hello") + message("world")
		if text := strings.ReplaceAll(string(got), "PING\r\n", ""); err != nil || len(got) != 25 || !strings.HasPrefix(all, text) {
			t.Errorf("read %q, %v; want 25 bytes of %q", got, err, all)
		}
		c = join(t, b, "a") // not cut
		b.AwaitConnect(t, brokertest.By("a"))
		b.Client("a").CutAt(t, 0)
		c.wantFIN()
	})
}
