package broker

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"vigil/internal/wire"
)

// discardStream is a transport that takes everything.
type discardStream struct{ taken int }

func (d *discardStream) tryWrite(p []byte) (int, error) {
	d.taken += len(p)
	return len(p), nil
}
func (d *discardStream) write(p []byte) (int, error) { return d.tryWrite(p) }
func (d *discardStream) callWritable(bool)           {}
func (d *discardStream) interrupt()                  {}
func (d *discardStream) drain(time.Time)             {}
func (d *discardStream) closeWrite() error           { return nil }
func (d *discardStream) close() error                { return nil }

// benchBroker is the part of a broker that a publish passes.
func benchBroker() *Broker {
	cfg := Config{}.WithDefaults()
	now := time.Now()
	return &Broker{cfg: cfg, log: cfg.Logger, started: now, routes: newRouting(), liveness: newLiveness(cfg, now)}
}

// discardClient is a client of b whose output is taken at once.
func discardClient(t testing.TB, b *Broker, id uint64, input string) *client {
	near, far := net.Pipe()
	t.Cleanup(func() {
		near.Close()
		far.Close()
	})
	c := newClient(b, id, near)
	c.stream = &discardStream{}
	c.out.stream = c.stream
	c.feed(t, input)
	return c
}

// feed gives the client's parser input that has arrived.
func (c *client) feed(t testing.TB, input string) {
	room := c.in.room(readBuffer)
	c.in.received(copy(room, input))
	if v := c.parse(); v != nil {
		t.Fatal(v)
	}
}

const quietConnect = "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true}\r\n"

// A message allocates nothing on its way from the read buffer to its
// subscribers' sockets.
func TestPublishAllocatesNothing(t *testing.T) {
	const batch = 100
	for _, shape := range []struct {
		name, unit, sub string
		subscribers     int
	}{
		{"nobody", "PUB a.b 5\r\nhello\r\n", "", 0},
		{"one", "PUB a.b 5\r\nhello\r\n", "SUB a.b 1\r\n", 1},
		{"ten, wildcard", "PUB a.b r 5\r\nhello\r\n", "SUB a.* 1\r\n", 10},
		{"queue group", "PUB a.b 5\r\nhello\r\n", "SUB a.> q 1\r\n", 4},
		{"headers", "HPUB a.b 12 17\r\nNATS/1.0\r\n\r\nhello\r\n", "SUB a.b 1\r\n", 2},
		{"with a flush", "PUB a.b 5\r\nhello\r\nPING\r\n", "SUB a.b 1\r\n", 1},
	} {
		t.Run(shape.name, func(t *testing.T) {
			b := benchBroker()
			var subs []*client
			for i := range shape.subscribers {
				subs = append(subs, discardClient(t, b, uint64(i+2), quietConnect+shape.sub))
			}
			pub := discardClient(t, b, 1, quietConnect)
			load := strings.Repeat(shape.unit, batch)
			before := 0
			for _, s := range subs {
				before -= s.stream.(*discardStream).taken
			}
			const runs = 200
			per := testing.AllocsPerRun(runs, func() { pub.feed(t, load) })
			// A pool that the collector empties refills: a few per batch, now
			// and then.
			if !raceEnabled && per > batch/50 {
				t.Errorf("%.1f allocations per %d messages", per, batch)
			}
			taken := before
			for _, s := range subs {
				taken += s.stream.(*discardStream).taken
			}
			if shape.subscribers > 0 && taken < batch*runs*len("hello") {
				t.Errorf("only %d bytes were delivered", taken)
			}
		})
	}
}

// The routes that a publisher keeps are bounded, in number and in targets.
func TestRouteCacheIsBounded(t *testing.T) {
	b := benchBroker()
	discardClient(t, b, 2, quietConnect+"SUB > 1\r\nSUB > 2\r\nSUB > 3\r\n")
	pub := discardClient(t, b, 1, quietConnect)
	for i := range 20_000 {
		pub.feed(t, fmt.Sprintf("PUB s.%d 0\r\n\r\n", i))
		if n := len(pub.publish.cache); n > maxCached/routeCost || pub.publish.cached > maxCached {
			t.Fatalf("%d routes of %d bytes are kept", n, pub.publish.cached)
		}
	}
	if len(pub.publish.cache) == 0 {
		t.Error("nothing is kept")
	}
}

// What is staged for many destinations is bounded by their buffers, not by
// what is in them.
func TestStagedBuffersAreBounded(t *testing.T) {
	b := benchBroker()
	const subscribers = 1000
	for i := range subscribers {
		discardClient(t, b, uint64(i+2), quietConnect+fmt.Sprintf("SUB one.%d 1\r\nSUB all 2\r\n", i))
	}
	pub := discardClient(t, b, 1, quietConnect)
	for i := range subscribers { // every stage remembers a large batch
		pub.feed(t, fmt.Sprintf("PUB one.%d 16000\r\n%s\r\n", i, strings.Repeat("x", 16000)))
	}
	room := pub.in.room(readBuffer)
	pub.in.received(copy(room, "PUB all 1\r\nx\r\n"))
	var op wire.Op
	if _, err := pub.parser.Next(pub.in.buf, &op); err != nil {
		t.Fatal(err)
	}
	pub.publish.route(&op)
	held := 0
	for _, s := range pub.publish.dirty {
		held += cap(s.buf)
	}
	if held > maxStaged {
		t.Errorf("%d bytes of buffers are staged, want at most %d", held, maxStaged)
	}
	pub.publish.flush()
}

// BenchmarkPublish bounds what a message costs besides the system calls.
func BenchmarkPublish(b *testing.B) {
	for _, subscribers := range []int{0, 1, 10, 100} {
		b.Run(fmt.Sprintf("to=%d", subscribers), func(b *testing.B) {
			broker := benchBroker()
			for i := range subscribers {
				discardClient(b, broker, uint64(i+2), quietConnect+"SUB a.b 1\r\n")
			}
			pub := discardClient(b, broker, 1, quietConnect)
			const batch = 100
			load := strings.Repeat("PUB a.b 16\r\n0123456789abcdef\r\n", batch)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if n++; n%batch == 0 {
					pub.feed(b, load)
				}
			}
		})
	}
}

// A publisher whose subjects are hardly ever used again keeps none of them, and
// everybody gets what it is due all the same, up to an UNSUB's max.
func TestLookupsThatAreNotKept(t *testing.T) {
	b := benchBroker()
	sub := discardClient(t, b, 2, quietConnect+"SUB s.*.x 1\r\nSUB s.> q 2\r\n")
	pub := discardClient(t, b, 1, quietConnect+"SUB s.*.x 1\r\n")
	const messages = 20_000
	subject := 0
	publish := func(n int) {
		for range n {
			subject++
			pub.feed(t, fmt.Sprintf("PUB s.%d.x 0\r\n\r\n", subject))
		}
	}
	publish(messages)
	if pub.publish.passing == 0 {
		t.Fatal("all subjects are kept")
	}
	if n := sub.stats.outMsgs.Load(); n != 2*messages {
		t.Errorf("%d messages, want %d", n, 2*messages)
	}
	if n := pub.stats.outMsgs.Load(); n != messages {
		t.Errorf("its own subscription has %d messages, want %d", n, messages)
	}
	const more = 10
	sub.feed(t, fmt.Sprintf("UNSUB 1 %d\r\n", messages+more))
	pub.feed(t, fmt.Sprintf("UNSUB 1 %d\r\n", messages+more))
	publish(3 * more)
	if n := sub.stats.outMsgs.Load(); n != 2*messages+more+3*more {
		t.Errorf("%d messages behind the UNSUB, want %d", n-2*messages, more+3*more)
	}
	if n := pub.stats.outMsgs.Load(); n != messages+more {
		t.Errorf("its own subscription has %d messages behind the UNSUB, want %d", n-messages, more)
	}
	// One that is used again and again is kept.
	for range lastRounds * messages {
		pub.feed(t, "PUB kept 0\r\n\r\n")
		if pub.publish.passing == 0 {
			break
		}
	}
	if pub.publish.cache["kept"] != nil {
		t.Error("kept too early")
	}
	pub.feed(t, "PUB kept 0\r\n\r\n")
	if pub.publish.cache["kept"] == nil {
		t.Error("never kept again")
	}
}
