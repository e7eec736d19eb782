package integration_test

import (
	"testing"
	"time"

	"vigil/internal/fault"
	"vigil/internal/lab"
	"vigil/subscriber"
)

// Only the way to the broker is cut. It soon runs out of what it may send without
// being acknowledged, and what it sends again tells us that it lives.
func TestWayToTheBrokerIsCut(t *testing.T) {
	t.Parallel()
	each(t, []fault.Mode{fault.PacketsDropped}, func(t *testing.T, mode fault.Mode, broker string) {
		h := newFeedingHost(t, mode, broker, "numbers")
		l := listen(t, h, subscriber.Config{})
		got := l.collect(t, "numbers", "")
		got.await(t, 100)

		must(t, h.site.Cut(fault.ToHost))
		cut := time.Now()
		lost := l.diary.await(t, 0, subscriber.EventLost)
		checkCause(t, "subscriber", lost, subscriber.CauseUnheard)
		seen := lost.Loss.Evidence
		if allowed := promise + excuse(t, "subscriber", seen, lost.told); seen.Silence > allowed {
			t.Errorf("noticed after %v of silence, promised are %v: %+v", seen.Silence, allowed, seen)
		}
		t.Logf("known after %v: %v; %+v", lost.told.Sub(cut), lost.Loss, lost.Loss.TCP)
		must(t, h.site.Mend())
		place := len(got.list(t))
		l.diary.await(t, 0, subscriber.EventResumed)
		eventually(t, "more numbers", func() bool { return len(got.list(t)) > place })
	})
}

// Only the way from the broker is cut: afterwards Vigil's broker tells that it
// heard every probe.
func TestWayFromTheBrokerIsCut(t *testing.T) {
	t.Parallel()
	each(t, []fault.Mode{fault.PacketsDropped}, func(t *testing.T, mode fault.Mode, broker string) {
		h := newHost(t, mode, broker)
		l := listen(t, h, subscriber.Config{})
		spell(t, time.Second) // the broker has been heard, and has heard us
		must(t, h.site.Cut(fault.FromHost))
		cut := time.Now()
		lost := l.diary.await(t, 0, subscriber.EventLost)
		checkNoticed(t, "subscriber", lost, cut)
		must(t, h.site.Mend())
		resumed := l.diary.await(t, 0, subscriber.EventResumed)
		if told := resumed.CutFromBroker(); told != (broker == lab.Vigil) {
			t.Errorf("named as a cut of the way from the broker: %v; %v, last heard by the broker %v, first probe %v", told, resumed,
				resumed.PeerHeard, lost.Loss.Evidence.FirstProbe)
		}
		t.Log(resumed.Event)
	})
}
