package brokertest_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"testing"

	"vigil/broker/brokertest"
)

// attach connects a client in memory that is subscribed to a, in whatever kind of test.
func attach(t testing.TB, b *brokertest.Broker) *bufio.Reader {
	t.Helper()
	conn, err := b.InProcessConn()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	in := bufio.NewReader(conn)
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "CONNECT {\"verbose\":false}\r\nSUB a 1\r\n"); err != nil {
		t.Fatal(err)
	}
	b.AwaitSubscribers(t, "a", 1)
	return in
}

// expect reads the message that was published.
func expect(t testing.TB, in *bufio.Reader, data []byte) {
	t.Helper()
	want := fmt.Appendf(nil, "MSG a 1 %d\r\n%s\r\n", len(data), data)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(in, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %q, %v; want %q", got, err, want)
	}
}

// A fuzz target has a broker, too. Whatever is published passes unchanged.
func FuzzPublish(f *testing.F) {
	b := brokertest.Start(f)
	in := attach(f, b)
	f.Add([]byte("hello"))
	f.Add([]byte("\r\nPING\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b.Publish(t, "a", data)
		expect(t, in, data)
	})
}

// And so has a benchmark.
func BenchmarkPublish(b *testing.B) {
	broker := brokertest.Start(b)
	in := attach(b, broker)
	data := make([]byte, 128)
	for b.Loop() {
		broker.Publish(b, "a", data)
		expect(b, in, data)
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
			in := attach(t, own)
			own.Publish(t, "a", nil)
			expect(t, in, nil)
		})
	}
}
