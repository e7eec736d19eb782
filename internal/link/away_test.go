package link

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vigil/heartbeat"
)

func TestAwayMessagesArriveInOrderBehindSubscriptions(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.peer.stop()
		time.Sleep(time.Second)
		var want []string
		for i := range 10_000 {
			want = append(want, fmt.Sprint(i))
		}
		r.publish(want[:9000]...)
		if _, err := r.link.Subscribe("x", "", nil); err != nil {
			t.Fatal(err)
		}
		r.peer.start()
		r.publish(want[9000:]...)
		r.flush()
		c := r.peer.conn(1)
		if got, err := c.payloads(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%d messages arrived, want %d in order; stream: %v", len(got), len(want), err)
		}
		if told := c.told()[:3]; !slices.Equal(told, []string{"CONNECT", "SUB x 1", "PUB s"}) {
			t.Errorf("told %q", told)
		}
		if e := r.last(EventResumed); e.Unconfirmed.Messages != 0 {
			t.Errorf("unconfirmed %v", e.Unconfirmed)
		}
	})
}

func TestAwayBufferIsBounded(t *testing.T) {
	for name, cfg := range map[string]Config{"small": {AwayBuffer: 1000}, "off": {AwayBuffer: -1}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, cfg, func(r *rig) {
				r.peer.stop()
				time.Sleep(time.Second)
				taken := 0
				for ; taken < 100; taken++ {
					if err := r.link.Publish(r.t.Context(), "s", "", nil, []byte("0123456789")); err != nil {
						if !errors.Is(err, ErrAwayBufferFull) {
							t.Fatal(err)
						}
						break
					}
				}
				if want := map[string]int{"small": 40, "off": 0}[name]; taken < want || taken > want+10 {
					t.Errorf("%d messages taken, want about %d", taken, want)
				}
				r.peer.start()
				r.flush()
				if got, _ := r.peer.conn(1).payloads(); len(got) != taken {
					t.Errorf("%d messages arrived, want the %d taken", len(got), taken)
				}
			})
		})
	}
}

func TestUnconfirmedIsExact(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.publish("1", "2", "3")
		r.flush()
		if s := r.link.Status(); s.Unconfirmed.Messages != 0 || s.Queued.Messages != 0 {
			t.Fatalf("after a flush: %+v", s)
		}
		r.net.Cut(address)
		r.publish("4", "5")
		time.Sleep(time.Second)
		if s := r.link.Status(); s.Unconfirmed.Messages != 2 {
			t.Errorf("status %v", s.Unconfirmed)
		}
		r.net.Vanish(address)
		time.Sleep(time.Second)
		want := Tally{2, 2 * int64(len("PUB s 1\r\n4\r\n"))}
		if e := r.last(EventLost); e.Unconfirmed != want || !strings.HasSuffix(e.String(), "; 2 messages (24 bytes) unconfirmed") {
			t.Errorf("lost event %v", e)
		}
		r.publish("6")
		r.net.Heal(address)
		r.peer.start()
		r.flush()
		if e := r.last(EventResumed); e.Unconfirmed != want {
			t.Errorf("resumed event %v", e)
		}
		if s := r.link.Stats(); s.Unconfirmed != want || s.OutMessages != 6 || s.Losses != 1 || s.Connections != 2 {
			t.Errorf("stats %+v", s)
		}
		if got, err := r.peer.conn(1).payloads(); err != nil || !slices.Equal(got, []string{"6"}) {
			t.Errorf("resent %q, %v", got, err)
		}
	})
}

// Unconfirmed messages are asked about by themselves, though bytes keep coming
// and the heartbeat has nothing to ask.
func TestUnconfirmedIsAskedAbout(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		c := r.peer.conn(0)
		r.publish("1")
		for range 20 {
			c.send("+OK\r\n")
			time.Sleep(100 * time.Millisecond)
		}
		if s := r.link.Status(); s.Unconfirmed.Messages != 0 {
			t.Errorf("unconfirmed %v", s.Unconfirmed)
		}
	})
}

// The broker stops reading amid a message and vanishes: the new connection must
// begin with a whole operation, and every message must be accounted for once,
// as confirmed, unconfirmed or sent again.
func TestHalfWrittenMessageIsNeverReplayed(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.net.SetBuffer(100_000)
		r.peer.conn(0).nc.Close()
		time.Sleep(5 * time.Second) // a connection with that buffer
		r.net.Freeze(address)
		const n = 500
		var want []string
		for i := range n {
			want = append(want, strings.Repeat(fmt.Sprintf("%06d", i), 150))
		}
		r.publish(want...)
		if _, err := r.link.Subscribe("late", "", nil); err != nil {
			t.Fatal(err)
		}
		r.publish("end")
		flushed := make(chan error, 1)
		go func() { flushed <- r.link.Flush(r.t.Context()) }()
		time.Sleep(time.Minute)
		if _, ok := errors.AsType[*InterruptedError](<-flushed); !ok {
			t.Error("a Flush that waits in the queue is not told")
		}
		lost := r.last(EventLost)
		r.net.Vanish(address)
		r.net.Thaw(address)
		r.peer.start()
		r.flush()
		c := r.peer.conn(r.peer.count() - 1)
		got, err := c.payloads()
		if err != nil {
			t.Fatalf("the new connection's stream: %v", err)
		}
		fate := int(lost.Unconfirmed.Messages)
		if fate == 0 || fate+len(got) != n+1 || !slices.Equal(got, append(want[fate:], "end")) {
			t.Errorf("%d unconfirmed and %d sent again of %d", fate, len(got), n+1)
		}
		told := c.told()
		if !slices.Equal(told[:3], []string{"CONNECT", "SUB late 1", "PUB s"}) || slices.Contains(told[3:], "SUB late 1") {
			t.Errorf("told %q, ...", told[:3])
		}
	})
}

// However much is published, only so much is unconfirmed.
func TestUnconfirmedIsBounded(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		for range 5000 {
			r.publish(strings.Repeat("x", 1000))
		}
		synctest.Wait() // no time passes
		if u := r.link.Status().Unconfirmed; u.Bytes > maxUnasked+chunkSize {
			t.Errorf("unconfirmed %v", u)
		}
	})
}

func TestCloseWakesWhoWaits(t *testing.T) {
	bubble(t, Config{AwayBuffer: 1 << 30}, func(r *rig) {
		r.net.Freeze(address)
		waits := make(chan error, 3)
		for range 2 {
			go func() {
				for {
					if err := r.link.Publish(r.t.Context(), "s", "", nil, make([]byte, 10_000)); err != nil {
						waits <- err
						return
					}
				}
			}()
		}
		time.Sleep(time.Second) // both wait for room
		go r.link.Close()
		for range 2 {
			if err := <-waits; err != ErrClosed {
				t.Errorf("publish: %v", err)
			}
		}
	})
	bubble(t, Config{}, func(r *rig) {
		r.peer.stop()
		time.Sleep(time.Second) // the loss is known
		waits := make(chan error, 1)
		go func() { waits <- r.link.Flush(r.t.Context()) }()
		time.Sleep(time.Second)
		r.link.Close()
		if err := <-waits; err != ErrClosed {
			t.Errorf("flush: %v", err)
		}
	})
}

func TestFlushIsInterrupted(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.net.Vanish(address)
		start := time.Now()
		err := r.link.Flush(r.t.Context())
		in, ok := errors.AsType[*InterruptedError](err)
		if !ok || !in.Loss.Cause.Stale() || time.Since(start) > heartbeat.Default().Bound() {
			t.Errorf("flush after %v: %v", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
		defer cancel()
		if err := r.link.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("flush while away: %v", err)
		}
		r.peer.start()
	})
}

func TestPublishWaitsForRoomOrContext(t *testing.T) {
	bubble(t, Config{Heartbeat: heartbeat.Lesson(), OutBuffer: 100_000}, func(r *rig) {
		r.net.Freeze(address)
		ctx, cancel := context.WithTimeout(r.t.Context(), time.Second)
		defer cancel()
		var err error
		for err == nil {
			err = r.link.Publish(ctx, "s", "", nil, make([]byte, 1000))
		}
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil {
			t.Errorf("publish: %v", err)
		}
		waits := make(chan error, 1)
		go func() { waits <- r.link.Publish(r.t.Context(), "s", "", nil, make([]byte, 1000)) }()
		synctest.Wait()
		r.net.Thaw(address)
		if err := <-waits; err != nil {
			t.Errorf("publish after the thaw: %v", err)
		}
		r.flush()
	})
}

func TestPublishRefusals(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		err := r.link.Publish(r.t.Context(), "s", "", nil, make([]byte, 1<<20+1))
		if pe, ok := errors.AsType[*PayloadError](err); !ok || pe.Size != 1<<20+1 || pe.Max != 1<<20 {
			t.Errorf("error %v", err)
		}
		if err := r.link.Publish(r.t.Context(), "s", "", nil, make([]byte, 1<<20)); err != nil {
			t.Errorf("exactly max_payload: %v", err)
		}
		r.peer.conn(0).send(`INFO {"headers":false,"max_payload":2000}` + "\r\n")
		synctest.Wait()
		if err := r.link.Publish(r.t.Context(), "s", "", []byte("NATS/1.0\r\n\r\n"), nil); !errors.Is(err, ErrNoHeaders) {
			t.Errorf("error %v", err)
		}
		if err := r.link.Publish(r.t.Context(), "s", "", nil, make([]byte, 2001)); err == nil {
			t.Error("the new max_payload is not kept")
		}
		r.flush()
	})
}
