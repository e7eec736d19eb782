package subscriber_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"vigil/heartbeat"
	"vigil/publisher"
	"vigil/subscriber"
)

// A consumer that takes its time holds the broker back with Block, and loses
// nothing; and the broker is not condemned though nothing is read for many times
// the heartbeat's bound.
func TestBlock(t *testing.T) {
	brokers(t, func(t *testing.T, b running) {
		ev := newEvents()
		sub := connect(t, b.url, subscriber.Config{OnEvent: ev.on, Heartbeat: heartbeat.Within(400 * time.Millisecond)})
		s := mustSubscribe(t, sub, "b", subscriber.MaxPending(10, -1), subscriber.Block(20*time.Second))
		flush(t, sub)
		pub := connectPublisher(t, b.url, publisher.Config{})
		publish(t, pub, "b", texts(0, 1000)...)
		flush(t, pub)
		time.Sleep(1500 * time.Millisecond) // the consumer does
		for i, m := range take(t, s, 1000) {
			if string(m.Data) != fmt.Sprint(i) {
				t.Fatalf("message %d is %q", i, m.Data)
			}
		}
		if n := sub.Stats(); n.Dropped != 0 || n.Connection.Losses != 0 || n.Held < 500*time.Millisecond {
			t.Errorf("stats %+v", n)
		}
		sub.Close()
		for e := range ev.ch {
			if e.Kind == subscriber.EventClosed {
				break
			}
			if e.Kind == subscriber.EventLost || e.Kind == subscriber.EventSlowConsumer {
				t.Errorf("event %v", e)
			}
		}
	})
}

// Close does not wait for a reader that is held.
func TestCloseWhileHeld(t *testing.T) {
	b := startNATS(t, 0)
	sub := connect(t, urlOf(b), subscriber.Config{})
	s := mustSubscribe(t, sub, "b", subscriber.MaxPending(1, -1), subscriber.Block(time.Hour))
	flush(t, sub)
	pub := connectPublisher(t, urlOf(b), publisher.Config{})
	publish(t, pub, "b", "1", "2")
	flush(t, pub)
	for s.Pending() == 0 && within(t).Err() == nil {
		runtime.Gosched()
	}
	if unhandled, ok := errors.AsType[*subscriber.UnhandledError](sub.Close()); !ok || unhandled.Messages != 1 {
		t.Errorf("close: %v", unhandled)
	}
}

// inUse is the memory that cannot be collected, in bytes. What pools keep is
// collected by the second time.
func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A consumer that never reads costs the memory that was allowed, and every
// message that it missed is told.
func TestHostileConsumer(t *testing.T) {
	b := startNATS(t, 0)
	for name, opt := range map[string]subscriber.Option{
		"hold": {}, "newest": subscriber.DropNewest(), "oldest": subscriber.DropOldest(), "block": subscriber.Block(100 * time.Millisecond),
	} {
		t.Run(name, func(t *testing.T) {
			ev := newEvents()
			sub := connect(t, urlOf(b), subscriber.Config{OnEvent: ev.on})
			s := mustSubscribe(t, sub, "h", subscriber.MaxPending(-1, 1<<20), opt)
			flush(t, sub)
			pub := connectPublisher(t, urlOf(b), publisher.Config{})
			data := strings.Repeat("x", 1024)
			const n = 50_000
			before := inUse()
			ctx := within(t)
			for range n {
				if err := pub.Publish(ctx, "h", []byte(data)); err != nil {
					t.Fatal(err)
				}
			}
			flush(t, pub)
			flush(t, sub)
			// The broker is in this process, too, and lets its buffers go a little
			// later.
			grown := inUse() - before
			for deadline := time.Now().Add(5 * time.Second); grown > 8<<20 && time.Now().Before(deadline); grown = inUse() - before {
				runtime.Gosched()
			}
			if grown > 8<<20 {
				t.Errorf("%d MiB more are in use for 1 MiB that may wait", grown>>20)
			}
			st := s.Stats()
			if st.PendingBytes > 1<<20 || st.Pending+st.Dropped != n {
				t.Errorf("stats %+v of %d messages", st, n)
			}
			if unhandled, ok := errors.AsType[*subscriber.UnhandledError](sub.Close()); !ok || int64(unhandled.Messages) != st.Pending {
				t.Errorf("close: %v", unhandled)
			}
			told := int64(0)
			for e := range ev.ch {
				if slow, ok := errors.AsType[*subscriber.SlowConsumerError](e.Err); ok {
					told += slow.New
				}
				if e.Kind == subscriber.EventClosed {
					break
				}
				if e.Kind == subscriber.EventLost {
					t.Errorf("event %v", e)
				}
			}
			if told != st.Dropped {
				t.Errorf("%d drops told, %d dropped", told, st.Dropped)
			}
		})
	}
}
