package brokertest_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"

	"vigil/broker/brokertest"
)

// ear is a client in memory that is subscribed to a, in whatever kind of test.
type ear struct {
	conn net.Conn
	in   *bufio.Reader
}

func listen(t testing.TB, b *brokertest.Broker) *ear {
	t.Helper()
	conn, err := b.InProcessConn()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	e := &ear{conn, bufio.NewReader(conn)}
	if _, err := e.in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "CONNECT {\"verbose\":false}\r\nSUB a 1\r\n"); err != nil {
		t.Fatal(err)
	}
	b.AwaitSubscribers(t, "a", 1)
	return e
}

// expect reads the message that was published, and answers PINGs that are before it.
func (e *ear) expect(t testing.TB, data []byte) {
	t.Helper()
	for {
		if next, err := e.in.Peek(len("PI")); err != nil || string(next) != "PI" {
			break
		}
		if line, err := e.in.ReadString('\n'); err != nil || line != "PING\r\n" {
			t.Fatalf("read %q, %v", line, err)
		}
		if _, err := io.WriteString(e.conn, "PONG\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	want := fmt.Appendf(nil, "MSG a 1 %d\r\n%s\r\n", len(data), data)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(e.in, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %q, %v; want %q", got, err, want)
	}
}

// A fuzz target has a broker, too. Whatever is published passes unchanged.
func FuzzPublish(f *testing.F) {
	b := brokertest.Start(f)
	e := listen(f, b)
	f.Add([]byte("hello"))
	f.Add([]byte("\r\nPING\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b.Publish(t, "a", data)
		e.expect(t, data)
	})
}

// And so has a benchmark.
func BenchmarkPublish(b *testing.B) {
	broker := brokertest.Start(b)
	e := listen(b, broker)
	data := make([]byte, 128)
	for b.Loop() {
		broker.Publish(b, "a", data)
		e.expect(b, data)
	}
}

// Sub-tests share a broker, or have their own, in parallel.
func TestSubTests(t *testing.T) {
	shared := brokertest.Start(t)
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			shared.AwaitIdle(t, 0)
			own := brokertest.Start(t)
			e := listen(t, own)
			own.Publish(t, "a", nil)
			e.expect(t, nil)
		})
	}
}
