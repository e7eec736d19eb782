package wire

import (
	"fmt"
	"testing"
)

// fill repeats operation as often as it fits into size bytes, at least once.
func fill(operation []byte, size int) []byte {
	stream := append([]byte(nil), operation...)
	for len(stream)+len(operation) <= size {
		stream = append(stream, operation...)
	}
	return stream
}

// benchmarkNext parses a read buffer full of the same operation; ns/op is per
// operation.
func benchmarkNext(b *testing.B, side Side, operation []byte) {
	stream := fill(operation, 64<<10)
	parser := Parser{Side: side}
	var op Op
	b.SetBytes(int64(len(operation)))
	b.ReportAllocs()
	at := 0
	for b.Loop() {
		n, err := parser.Next(stream[at:], &op)
		if n == 0 || err != nil {
			b.Fatalf("Next = %d, %v", n, err)
		}
		if at += n; at == len(stream) {
			at = 0
		}
	}
}

func BenchmarkNext(b *testing.B) {
	for _, size := range []int{16, 128, 1024} {
		payload := make([]byte, size)
		b.Run(fmt.Sprintf("pub/%d", size), func(b *testing.B) {
			benchmarkNext(b, FromClient, AppendPub(nil, "orders.created", "", payload))
		})
	}
	payload := make([]byte, 16)
	header := AppendHeader(nil, Header{"Id": {"1"}})
	b.Run("pub reply/16", func(b *testing.B) {
		benchmarkNext(b, FromClient, AppendPub(nil, "orders.created", "_INBOX.abcdefgh.1", payload))
	})
	b.Run("hpub/16", func(b *testing.B) {
		benchmarkNext(b, FromClient, AppendHPub(nil, "orders.created", "", header, payload))
	})
	b.Run("msg/16", func(b *testing.B) {
		msg := []byte("MSG orders.created 1 16\r\n0123456789abcdef\r\n")
		benchmarkNext(b, FromBroker, msg)
	})
	b.Run("sub", func(b *testing.B) {
		benchmarkNext(b, FromClient, AppendSub(nil, "orders.created", "", "12"))
	})
	b.Run("ping", func(b *testing.B) {
		benchmarkNext(b, FromClient, []byte(PingLine))
	})
}

// BenchmarkFindVerb shows what an operation costs that the fast path of Next
// does not know.
func BenchmarkFindVerb(b *testing.B) {
	for _, name := range []string{"pub\t", "unsub ", "pong\r", "-err "} {
		b.Run(name[:len(name)-1], func(b *testing.B) {
			text := []byte(name)
			for b.Loop() {
				if v, err := findVerb(verbs[FromClient], text); v == nil || err != nil {
					b.Fatalf("findVerb(%q) = %v, %v", text, v, err)
				}
			}
		})
	}
}

func BenchmarkAppendMsg(b *testing.B) {
	for _, size := range []int{16, 128, 1024} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			var parser Parser
			var op Op
			stream := AppendPub(nil, "orders.created", "", make([]byte, size))
			if _, err := parser.Next(stream, &op); err != nil {
				b.Fatal(err)
			}
			sid := "12"
			dst := make([]byte, 0, 4096)
			b.SetBytes(int64(len(AppendMsg(dst, &op, sid, true))))
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendMsg(dst[:0], &op, sid, true)
			}
		})
	}
}
