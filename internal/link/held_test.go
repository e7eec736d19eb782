package link

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vigil/heartbeat"
	"vigil/internal/wire"
)

// heldReader holds the reader when it is told to.
type heldReader struct{ d atomic.Int64 }

func (h *heldReader) config() Config {
	return Config{Heartbeat: heartbeat.Within(time.Second), AfterRead: func() { time.Sleep(time.Duration(h.d.Swap(0))) }}
}

// A reader that is held for many times the heartbeat's bound is a pause of ours:
// the broker is not condemned for it, nor asked without end, and hears us.
func TestHeldReaderIsNoDeath(t *testing.T) {
	var h heldReader
	bubble(t, h.config(), func(r *rig) {
		if _, err := r.link.Subscribe("s", "", func(*wire.Op) {}); err != nil {
			t.Fatal(err)
		}
		r.flush()
		for range 3 {
			h.d.Store(int64(time.Minute))
			r.publish("x")
			time.Sleep(time.Minute + 10*time.Second)
			r.wantKinds("a reader that is held for a minute", "connected")
		}
		if s := r.link.Status(); s.State != StateConnected {
			t.Errorf("state %v", s.State)
		}
	})
}

// A broker that vanishes while the reader is held is found within the bound from
// when it reads again.
func TestDeathDuringAHeldReader(t *testing.T) {
	var h heldReader
	bubble(t, h.config(), func(r *rig) {
		if _, err := r.link.Subscribe("s", "", func(*wire.Op) {}); err != nil {
			t.Fatal(err)
		}
		r.flush()
		h.d.Store(int64(time.Minute))
		r.publish("x")
		synctest.Wait()
		held := time.Now()
		time.Sleep(30 * time.Second)
		r.net.Vanish(address)
		time.Sleep(30*time.Second - time.Nanosecond)
		r.wantKinds("while it is held", "connected")
		time.Sleep(2 * time.Second)
		lost := r.last(EventLost)
		synctest.Wait()
		if d := lost.At.Sub(held.Add(time.Minute)); d > heartbeat.Within(time.Second).Bound() {
			t.Errorf("found %v after the reader was let go, want within %v", d, heartbeat.Within(time.Second).Bound())
		}
		r.peer.start()
		time.Sleep(time.Minute)
		// The PONGs of the first half minute were read after it; nobody can tell
		// when they had come.
		if from := r.last(EventResumed).DeafFrom; from.After(held) {
			t.Errorf("deaf from %v after the reader was held, want no later than that", from.Sub(held))
		}
	})
}

// The broker that keeps the reader from hearing it also hears our probes, since
// the watcher goes on: it has no reason to drop us.
func TestHeldReaderIsHeard(t *testing.T) {
	var h heldReader
	bubble(t, h.config(), func(r *rig) {
		if _, err := r.link.Subscribe("s", "", func(*wire.Op) {}); err != nil {
			t.Fatal(err)
		}
		r.flush()
		h.d.Store(int64(time.Minute))
		r.publish("x")
		synctest.Wait()
		c := r.peer.conn(0)
		pings := func() int {
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(c.ops)
		}
		before := pings()
		time.Sleep(time.Minute)
		if n := pings() - before; n < 30 || n > 600 {
			t.Errorf("%d operations in a minute of being held, want a probe now and then", n)
		}
	})
}

// AfterRead comes once for what one read brought.
func TestAfterReadIsOncePerRead(t *testing.T) {
	var after, messages atomic.Int64
	cfg := Config{AfterRead: func() { after.Add(1) }}
	bubble(t, cfg, func(r *rig) {
		if _, err := r.link.Subscribe("s", "", func(*wire.Op) { messages.Add(1) }); err != nil {
			t.Fatal(err)
		}
		r.flush()
		if n := after.Load(); n != 0 {
			t.Errorf("%d calls without a message", n)
		}
		r.peer.conn(0).send("MSG s 1 1\r\na\r\nMSG s 1 1\r\nb\r\nMSG s 1 1\r\nc\r\nMSG s 9 1\r\nd\r\n")
		synctest.Wait()
		if after.Load() != 1 || messages.Load() != 3 {
			t.Errorf("%d calls for %d messages, want 1 for 3", after.Load(), messages.Load())
		}
		if s := r.link.Stats(); s.InMessages != 4 || s.Unknown != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

// When Flush returns, what came before the PONG was handed over, though it came
// with the same read.
func TestFlushIsBehindAfterRead(t *testing.T) {
	var handed atomic.Bool
	cfg := Config{AfterRead: func() { time.Sleep(time.Second); handed.Store(true) }}
	bubble(t, cfg, func(r *rig) {
		if _, err := r.link.Subscribe("s", "", func(*wire.Op) {}); err != nil {
			t.Fatal(err)
		}
		r.flush()
		r.peer.conn(0).set(true, false) // the test answers the PING
		flushed := make(chan bool)
		go func() {
			r.flush()
			flushed <- handed.Load()
		}()
		synctest.Wait()
		r.peer.conn(0).send("MSG s 1 1\r\na\r\nPONG\r\nMSG s 1 1\r\nb\r\n")
		if !<-flushed {
			t.Error("Flush returned before the message was handed over")
		}
		r.peer.conn(0).set(false, false)
	})
}

// What a broker sends to a standby, which has no subscription, reaches nobody.
func TestMessagesToAStandbyAreUnknown(t *testing.T) {
	var messages atomic.Int64
	bubble(t, Config{}, func(r *rig) {
		if _, err := r.link.Subscribe("s", "", func(*wire.Op) { messages.Add(1) }); err != nil {
			t.Fatal(err)
		}
		r.flush()
		r.peer.conn(0).set(true, false)
		for r.peer.count() == 1 {
			time.Sleep(10 * time.Millisecond)
		}
		r.peer.conn(1).send("MSG s 1 1\r\na\r\n")
		synctest.Wait()
		if s := r.link.Stats(); messages.Load() != 0 || s.Unknown != 1 {
			t.Errorf("%d messages delivered, stats %+v", messages.Load(), s)
		}
		r.peer.conn(0).set(false, false)
	})
}

func TestStatsOfLosses(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		deaf := time.Duration(0)
		for range 2 {
			time.Sleep(time.Minute)
			r.net.Vanish(address)
			time.Sleep(10 * time.Second)
			r.peer.start()
			time.Sleep(10 * time.Second)
			deaf += r.last(EventResumed).Deaf()
		}
		if s := r.link.Stats(); s.Reconnects != 2 || s.Losses != 2 || s.Connections != 3 || s.Deaf != deaf || deaf < 20*time.Second {
			t.Errorf("stats %+v, deaf for %v in all", s, deaf)
		}
	})
}
