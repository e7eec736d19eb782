package brokertest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"

	"vigil/broker/brokertest"
	"vigil/subscriber"
)

// nats.go's defaults find a dead broker after six minutes; in virtual time that takes
// no time.
func TestDefaultsOfNATSGoInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := brokertest.Start(t)
		stale := make(chan error, 1)
		nc, err := nats.Connect("", nats.InProcessServer(b), nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { stale <- err }))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if _, err := nc.SubscribeSync("orders.>"); err != nil {
			t.Fatal(err)
		}
		b.AwaitSubscribers(t, "orders.>", 1)
		start := time.Now()
		b.Crash(t)
		if err := <-stale; err != nats.ErrStaleConnection {
			t.Errorf("disconnected: %v", err)
		}
		if took := time.Since(start); took != 6*time.Minute {
			t.Errorf("found after %v, want 6m", took)
		}
		b.Restart(t)
		if r := b.AwaitReconnect(t); r.Noticed != 6*time.Minute || r.Back < r.Noticed {
			t.Errorf("noticed after %v, back after %v", r.Noticed, r.Back)
		}
	})
}

// Vigil's subscriber, whose default is 2 s.
func TestSubscriberInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := brokertest.Start(t)
		sub, err := subscriber.Connect(t.Context(), b.URL(), subscriber.Config{Name: "ours", Dial: b.Dial})
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		if _, err := sub.Subscribe("orders.>"); err != nil {
			t.Fatal(err)
		}
		b.AwaitSubscribers(t, "orders.>", 1)
		for name, fault := range map[string]func(){
			"crash":      func() { b.Crash(t) },
			"freeze":     func() { b.Freeze(t) },
			"black hole": func() { b.BlackHole(t, brokertest.Both) },
		} {
			start := time.Now()
			fault()
			b.AwaitStale(t)
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%s: found after %v, want at most 2s", name, took)
			}
			b.Restart(t)
			b.AwaitReconnect(t, brokertest.Within(10*time.Second))
		}
	})
}

func TestAwaitIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := brokertest.Start(t)
		nc, err := nats.Connect("", nats.InProcessServer(b))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		go func() {
			for range 5 {
				time.Sleep(time.Second)
				nc.Publish("busy", nil)
			}
		}()
		start := time.Now()
		b.AwaitIdle(t, 10*time.Second)
		if took := time.Since(start); took < 15*time.Second || took > 15*time.Second+100*time.Millisecond {
			t.Errorf("idle after %v, want 15s", took)
		}
	})
}

// What was just published may still be in the broker; what a fault holds is no traffic.
func TestAwaitIdleBehindAMessageAndInABlackHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := brokertest.Start(t)
		c := enter(t, b)
		time.Sleep(time.Second)
		b.BlackHole(t, brokertest.FromBroker)
		b.Publish(t, "orders.1", []byte("held"))
		start := time.Now()
		b.AwaitIdle(t, 500*time.Millisecond)
		if took := time.Since(start); took != 500*time.Millisecond {
			t.Errorf("idle after %v, want 500ms", took)
		}
		b.Heal(t)
		b.AwaitIdle(t, 500*time.Millisecond)
		c.want(message("held"))
	})
}
