package integration_test

import (
	"bytes"
	"sync/atomic"
	"testing"
	"time"

	"vigil/heartbeat"
	"vigil/internal/fault"
	"vigil/publisher"
	"vigil/subscriber"
)

// A large message is lost on the way, and again when it is sent again; the small
// ones behind it come, and wait in the kernel for it. There is nothing to read
// for longer than a silence may last, and it is no silence.
//
// That ends where it never comes: then the connection is as deaf as any other.
func TestWhatComesWaitsForWhatWasLost(t *testing.T) {
	t.Parallel()
	const delay = 500 * time.Millisecond
	each(t, []fault.Mode{fault.PacketsDropped}, func(t *testing.T, mode fault.Mode, broker string) {
		h := newHost(t, mode, broker)
		host, err := h.site.Host()
		must(t, err)
		beat := heartbeat.Within(900 * time.Millisecond)
		l := listen(t, h, subscriber.Config{Heartbeat: beat})
		var small atomic.Int64
		var measured atomic.Bool
		large := make(chan time.Duration, 1)
		var last time.Time // a message came; owned by the handler
		var silence time.Duration
		_, err = l.SubscribeFunc("news", func(m *subscriber.Msg) {
			now := time.Now()
			if measured.Load() {
				silence = max(silence, now.Sub(last))
			}
			last = now
			if len(m.Data) > 1 {
				large <- silence
				return
			}
			small.Add(1)
		})
		must(t, err)
		p, err := publisher.Connect(t.Context(), h.url(), publisher.Config{})
		must(t, err)
		defer p.Close()
		tick := time.NewTicker(40 * time.Millisecond)
		defer tick.Stop()
		publish := func(until func() bool) {
			for start := time.Now(); !until(); <-tick.C {
				if time.Since(start) > patience {
					t.Fatalf("not within %v\n%v", patience, &l.diary)
				}
				must(t, p.Publish(t.Context(), "news", []byte{'s'}))
			}
		}
		publish(func() bool { return small.Load() > 0 })
		must(t, host.Impair(fault.FromHost, fault.Impairment{Delay: delay}))
		publish(func() bool { return small.Load() > 100 }) // the broker's kernel knows the way

		// Frames are dropped behind the delay.
		must(t, host.Impair(fault.FromHost, fault.Impairment{Delay: delay, MTU: 600}))
		lost := time.Now()
		measured.Store(true)
		must(t, p.Publish(t.Context(), "news", bytes.Repeat([]byte{'l'}, 1200)))
		// It is sent again when the first small one behind it was acknowledged, that
		// is one delay later, and then after one more or a timeout.
		publish(func() bool { return time.Since(lost) > 2*delay+7*delay/10 })
		must(t, host.Impair(fault.FromHost, fault.Impairment{Delay: delay}))
		var longest time.Duration
		gone := func() bool { return len(l.diary.all(subscriber.EventLost)) > 0 }
		publish(func() bool {
			select {
			case longest = <-large:
				return true
			default:
				return gone() // and it went with the connection
			}
		})
		switch paused := starvation.between(lost, time.Now()); {
		case longest > beat.Bound() || gone():
		case paused >= delay/2: // the loss ended too early or too late
			t.Logf("NOISE: this process got no CPU for %v", paused)
		default:
			t.Errorf("nothing to read for %v: no longer than a silence may last, %v", longest, beat.Bound())
		}
		checkNoFalseAlarm(t, l, beat)
		t.Logf("nothing to read for %v; suspected %d times", longest, len(l.diary.all(subscriber.EventSuspect)))

		if gone() {
			return // excused, or an error already
		}

		// An MTU black hole: this one is lost for good.
		must(t, host.Impair(fault.FromHost, fault.Impairment{Delay: delay, MTU: 600}))
		lost = time.Now()
		must(t, p.Publish(t.Context(), "news", bytes.Repeat([]byte{'l'}, 1200)))
		publish(gone)
		known := l.diary.await(t, 0, subscriber.EventLost)
		checkCause(t, "subscriber", known, subscriber.CauseStalled)
		took, paused := known.told.Sub(lost), starvation.between(lost, known.told)
		switch least, most := delay+5*beat.Bound()/2, delay+3*beat.Bound()+2*slack; {
		case took >= least && took <= most:
		case took > most && paused >= beat.Interval/2: // which costs a fresh round
			t.Logf("NOISE: this process got no CPU for %v", paused)
		default:
			t.Errorf("noticed after %v, want %v to %v", took, least, most)
		}
		if silence := known.Loss.Evidence.Silence; silence < took-delay-2*slack {
			t.Errorf("it says that the last byte came %v before, it was %v", silence, took-delay)
		}
		t.Logf("noticed after %v: %v; %+v", took, known.Loss, known.Loss.TCP)
	})
}
