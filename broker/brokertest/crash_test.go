package brokertest_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"vigil/broker/brokertest"
)

// The code with which the manual begins.
func TestCrash(t *testing.T) {
	each(t, func(t *testing.T, b *brokertest.Broker) {
		nc := connect(b.URL(), nats.Name("orders"))
		defer nc.Close()
		got := make(chan *nats.Msg, 16)
		if _, err := nc.ChanSubscribe("orders.>", got); err != nil {
			t.Fatal(err)
		}
		b.AwaitSubscribers(t, "orders.>", 1)
		b.Publish(t, "orders.1", []byte("before"))
		<-got
		b.Crash(t)
		b.AwaitStale(t, brokertest.By("orders"))
		b.Restart(t)
		r := b.AwaitReconnect(t, brokertest.Within(patience))
		if r.Noticed <= 0 || r.Back < r.Noticed {
			t.Errorf("noticed after %v, back after %v", r.Noticed, r.Back)
		}
		b.Publish(t, "orders.1", []byte("after"))
		if m := <-got; string(m.Data) != "after" {
			t.Errorf("got %q", m.Data)
		}
	})
}
