package broker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// BenchmarkDelivery bounds what one publisher and its subscribers get through a
// broker in the same process, over loopback, raw sockets at both ends.
func BenchmarkDelivery(b *testing.B) {
	for _, shape := range []struct{ subscribers, size int }{{1, 16}, {1, 128}, {1, 1024}, {100, 128}, {0, 128}} {
		b.Run(fmt.Sprintf("to=%d/size=%d", shape.subscribers, shape.size), func(b *testing.B) {
			benchmarkDelivery(b, shape.subscribers, shape.size)
		})
	}
}

func benchmarkDelivery(b *testing.B, subscribers, size int) {
	broker, err := Start(Config{Port: RandomPort})
	if err != nil {
		b.Fatal(err)
	}
	defer broker.Shutdown(context.Background())
	const batch = 500
	unit := fmt.Sprintf("PUB a.b %d\r\n%s\r\n", size, strings.Repeat("x", size))
	load := bytes.Repeat([]byte(unit), batch)
	delivered := len(fmt.Sprintf("MSG a.b 1 %d\r\n", size)) + size + 2
	done := make(chan error, subscribers)
	rounds := b.N/batch + 1
	for range subscribers {
		conn := rawConn(b, broker)
		rawFlush(b, conn, "SUB a.b 1\r\n")
		go func() {
			_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(conn, int64(rounds*batch*delivered)), make([]byte, 256<<10))
			done <- err
		}()
	}
	pub := rawConn(b, broker)
	rawFlush(b, pub, "")
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	for range rounds {
		if _, err := pub.Write(load); err != nil {
			b.Fatal(err)
		}
	}
	rawFlush(b, pub, "")
	for range subscribers {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

func rawConn(tb testing.TB, b *Broker) net.Conn {
	conn, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	rawFlush(tb, conn, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n")
	return conn
}

// rawFlush sends text and a PING, and reads up to the PONG.
func rawFlush(tb testing.TB, conn net.Conn, text string) {
	if _, err := io.WriteString(conn, text+"PING\r\n"); err != nil {
		tb.Fatal(err)
	}
	var got []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(got, []byte("PONG\r\n")) {
		if _, err := conn.Read(one); err != nil {
			tb.Fatal(err)
		}
		got = append(got, one[0])
	}
}
