package subscriber_test

import (
	"context"
	"fmt"
	"testing"

	"vigil/broker"
	"vigil/publisher"
	"vigil/subscriber"
)

// BenchmarkReceive bounds what a message costs through all of it, publisher,
// broker and subscriber, in one process.
func BenchmarkReceive(b *testing.B) {
	for _, size := range []int{16, 128, 1024} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			br, err := broker.Start(broker.Config{Port: broker.RandomPort})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { br.Shutdown(context.Background()) })
			sub := connect(b, br.URL(), subscriber.Config{MaxPending: -1, MaxPendingBytes: -1})
			s := subscribe(b, sub, "orders.new")
			flush(b, sub)
			pub := connectPublisher(b, br.URL(), publisher.Config{})
			data := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			done := make(chan error, 1)
			go func() {
				for range b.N {
					if err := pub.Publish(context.Background(), "orders.new", data); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
			n := 0
			for _, err := range s.Messages(b.Context()) {
				if err != nil {
					b.Fatal(err)
				}
				if n++; n == b.N {
					break
				}
			}
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		})
	}
}
