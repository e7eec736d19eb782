package integration_test

import (
	"testing"
	"time"

	"vigil/heartbeat"
	"vigil/internal/fault"
	"vigil/publisher"
	"vigil/subscriber"
)

// What is cut and mended before the verdict is no loss: nothing is missed, and
// nobody gives up.
func TestCutAndMend(t *testing.T) {
	t.Parallel()
	each(t, bothModes, func(t *testing.T, mode fault.Mode, broker string) {
		h := newHost(t, mode, broker)
		l := listen(t, h, subscriber.Config{})
		got := l.collect(t, "numbers", "")
		f := startFeed(t, h, publisher.Config{}, "numbers", 1, 0)
		got.await(t, 100)
		for _, dir := range []fault.Direction{fault.Both, fault.ToHost, fault.FromHost} {
			must(t, h.site.Cut(dir))
			// A publisher hears something each 0.9 s, so that it may have been
			// silent for as long already, and what TCP sends again comes up to
			// twice this later: together less than the bound.
			spell(t, 300*time.Millisecond)
			must(t, h.site.Mend())
			got.await(t, f.next()+200)
		}
		checkUninterrupted(t, l, got, f)
	})
}

// The same for as long as a subscriber's own bound allows. Packets that were
// dropped are sent again only after up to twice the time; behind a proxy they
// are just late, so that suspicion may be raised first.
func TestCutUntilSuspicion(t *testing.T) {
	t.Parallel()
	each(t, bothModes, func(t *testing.T, mode fault.Mode, broker string) {
		h := newHost(t, mode, broker)
		l := listen(t, h, subscriber.Config{})
		got := l.collect(t, "numbers", "")
		patient := publisher.Config{Heartbeat: heartbeat.Within(20 * time.Second)}
		f := startFeed(t, h, patient, "numbers", 1, 0)
		got.await(t, 100)
		for _, dir := range []fault.Direction{fault.Both, fault.FromHost} {
			place := l.diary.here()
			must(t, h.site.Cut(dir))
			if mode == fault.Proxied {
				e := l.diary.await(t, place, subscriber.EventSuspect)
				must(t, h.site.Mend())
				l.diary.await(t, place, subscriber.EventAlive)
				checkSuspicion(t, e)
			} else {
				spell(t, 600*time.Millisecond)
				must(t, h.site.Mend())
			}
			got.await(t, f.next()+200)
		}
		checkUninterrupted(t, l, got, f)
	})
}

// checkSuspicion checks that it was told when the first probe became overdue,
// which is an eighth before the next point of the schedule: a probe of the burst,
// or one asked for by a hint of TCP, may come that much before.
func checkSuspicion(t *testing.T, e entry) {
	t.Helper()
	beat := heartbeat.Default()
	asked := e.Evidence.FirstProbe.Sub(e.Evidence.LastHeard)
	earliest := asked + beat.Interval - beat.Interval/8
	latest := beat.Idle + beat.Interval + slack + starvation.between(e.Evidence.LastHeard, e.told)
	if e.Evidence.Silence < earliest || e.Evidence.Silence > latest {
		t.Errorf("suspicion after %v of silence, the first probe after %v; due between %v and %v", e.Evidence.Silence, asked, earliest, latest)
	}
}

// checkUninterrupted ends the feed and checks that its subscriber has every
// number, in order, and that neither gave up.
func checkUninterrupted(t *testing.T, l *listener, got *numbers, f *feed) {
	t.Helper()
	total := f.finish(t)
	got.await(t, total-1)
	for who, d := range map[string]*diary{"subscriber": &l.diary, "publisher": &f.diary} {
		if len(d.all(subscriber.EventLost)) > 0 {
			t.Errorf("the %s gave up although the cuts were short:\n%s", who, d)
		}
	}
	list := got.list(t)
	for n := range total {
		if n >= len(list) || list[n] != n {
			t.Fatalf("number %d of %d is missing or out of order", n, total)
		}
	}
}
