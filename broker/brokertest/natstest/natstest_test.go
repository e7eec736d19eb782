package natstest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"vigil/broker/brokertest"
	"vigil/broker/brokertest/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCrash(t *testing.T) {
	t.Parallel()
	b := natstest.Start(t)
	nc, err := nats.Connect(b.URL(), nats.Name("orders"), nats.PingInterval(50*time.Millisecond), nats.MaxPingsOutstanding(2),
		nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0), nats.MaxReconnects(-1), nats.Timeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	got := make(chan *nats.Msg, 16)
	if _, err := nc.ChanSubscribe("orders.>", got); err != nil {
		t.Fatal(err)
	}
	b.AwaitSubscribers(t, "orders.>", 1)
	b.Crash(t)
	b.AwaitStale(t, brokertest.By("orders"))
	b.Restart(t)
	b.AwaitReconnect(t)
	b.Publish(t, "orders.1", []byte("after"))
	if m := <-got; string(m.Data) != "after" {
		t.Errorf("got %q", m.Data)
	}
	t.Log("\n" + b.Timeline())
}

func TestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := natstest.Start(t)
		nc, err := nats.Connect(b.URL(), nats.InProcessServer(b))
		if err != nil {
			t.Fatal(err)
		}
		b.AwaitConnect(t)
		start := time.Now()
		b.BlackHole(t, brokertest.Both)
		b.AwaitStale(t)
		t.Log(time.Since(start))
		nc.Close()
	})
}
