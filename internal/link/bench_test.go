package link

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"vigil/internal/wire"
)

func connectTCP(t testing.TB) *Link {
	t.Helper()
	p := newTCPPeer(t, true, nil)
	l, err := Connect(t.Context(), p.url(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestPublishAllocatesNothing(t *testing.T) {
	l := connectTCP(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	payload, header := make([]byte, 128), []byte("NATS/1.0\r\na: b\r\n\r\n")
	publish := func() {
		for range 1000 {
			if err := l.Publish(ctx, "orders.new", "", nil, payload); err != nil {
				t.Fatal(err)
			}
			if err := l.Publish(ctx, "orders.new", "reply", header, payload); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 20 { // until every chunk has its size
		publish()
	}
	// A wait for room makes a channel; that is per wait, not per message.
	if n := testing.AllocsPerRun(50, publish); n > 20 {
		t.Errorf("%v allocations for 2000 messages", n)
	}
}

func TestReceiveAllocatesNothing(t *testing.T) {
	c, stream := receiver(t)
	var last lookup
	if n := testing.AllocsPerRun(50, func() { feed(t, c, stream, &last) }); n > 0 {
		t.Errorf("%v allocations for a read of %d bytes", n, len(stream))
	}
}

// receiver returns a connection whose reader is played by the test, and a
// stream of messages for two subscriptions in turn.
func receiver(t testing.TB) (*conn, []byte) {
	servers, err := parseServers("a")
	if err != nil {
		t.Fatal(err)
	}
	l := newLink(servers, Config{}.withDefaults())
	t.Cleanup(l.end)
	handled := 0
	for range 2 {
		l.subs.add("orders.new", "", func(op *wire.Op) { handled += len(op.Payload()) })
	}
	c := newConn(l, nil, servers[0])
	var stream []byte
	for i := range 200 {
		stream = fmt.Appendf(stream, "MSG orders.new %d 128\r\n%s\r\n", 1+i%2, bytes.Repeat([]byte("x"), 128))
	}
	return c, stream
}

func feed(t testing.TB, c *conn, stream []byte, last *lookup) {
	for rest := stream; len(rest) > 0; {
		n := copy(c.in.room(), rest)
		c.in.got(n)
		rest = rest[n:]
		if err := c.handleAll(last); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkPublish bounds what Publish costs its caller, with a peer that reads
// over loopback; the writer and the peer run beside it.
func BenchmarkPublish(b *testing.B) {
	for _, size := range []int{16, 128, 1024} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l := connectTCP(b)
			payload := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := l.Publish(b.Context(), "orders.new", "", nil, payload); err != nil {
					b.Fatal(err)
				}
			}
			if err := l.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkReceive bounds parsing and finding the subscription, without a
// socket.
func BenchmarkReceive(b *testing.B) {
	c, stream := receiver(b)
	var last lookup
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		feed(b, c, stream, &last)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/200, "ns/msg")
}
