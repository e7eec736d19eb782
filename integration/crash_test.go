package integration_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"vigil/heartbeat"
	"vigil/internal/fault"
	"vigil/publisher"
	"vigil/subscriber"
)

// The incident: a broker's host vanishes, the FIN never arrives. Every client,
// with its defaults, notices in time, says why, goes on when the host is back,
// and had told the truth about what it may have missed.
func TestCrashWithoutFIN(t *testing.T) {
	t.Parallel()
	each(t, bothModes, testCrash)
}

func testCrash(t *testing.T, mode fault.Mode, broker string) {
	h := newHost(t, mode, broker)
	a, b := listen(t, h, subscriber.Config{}), listen(t, h, subscriber.Config{})
	idle := listen(t, h, subscriber.Config{})
	nothing := idle.collect(t, "nothing", "")
	plain := a.collect(t, "numbers.all", "")
	wild := b.collect(t, "numbers.>", "")
	members := []*numbers{a.collect(t, "numbers.*", "group"), b.collect(t, "numbers.*", "group")}
	f := startFeed(t, h, publisher.Config{}, "numbers.all", 1, 0)
	plain.await(t, 200)
	wild.await(t, 200)

	diaries := map[string]*diary{"a": &a.diary, "b": &b.diary, "idle": &idle.diary, "feed": &f.diary}
	vanished := h.vanish(t)
	for who, d := range diaries {
		lost := d.await(t, 0, subscriber.EventLost)
		silence := checkNoticed(t, who, lost, vanished)
		if who == "feed" { // it fills the socket of a proxy that takes nothing
			checkCause(t, who, lost, causesOfVanishing(mode), subscriber.CauseNotReading)
		} else {
			checkCause(t, who, lost, causesOfVanishing(mode))
		}
		t.Logf("%s: silent for %v: %v", who, silence, lost.Event)
	}
	h.comeBack(t)
	for who, d := range diaries {
		resumed := d.await(t, 0, subscriber.EventResumed)
		lost := d.await(t, 0, subscriber.EventLost)
		// From before the read that brought the last byte, since that came no later.
		early := lost.Loss.Evidence.LastHeard.Sub(resumed.DeafFrom)
		if early < 0 || early > slack+starvation.between(resumed.DeafFrom, vanished) || resumed.DeafTo.Before(vanished) {
			t.Errorf("%s: deaf from %v to %v, last heard %v, vanished %v", who,
				resumed.DeafFrom, resumed.DeafTo, lost.Loss.Evidence.LastHeard, vanished)
		}
	}

	again := f.next()
	plain.await(t, again+200)
	total := f.finish(t)
	plain.await(t, total-1)
	wild.await(t, total-1)
	awaitUnion(t, members, again, total)
	checkOrder(t, "plain", plain)
	checkOrder(t, "wildcard", wild)
	t.Logf("of %d numbers the plain subscription missed %d, the wildcard %d, the queue group %d", total,
		checkMissed(t, "plain", plain, f, a), checkMissed(t, "wildcard", wild, f, b),
		checkShared(t, f, 0, members, a, b))
	if got := nothing.list(t); len(got) != 0 {
		t.Errorf("the idle subscriber received %v", got)
	}
	for who, d := range diaries {
		if n := len(d.all(subscriber.EventLost)); n != 1 {
			t.Errorf("%s lost its connection %d times:\n%s", who, n, d)
		}
	}
}

// awaitUnion waits until the members of a queue group have received as many
// numbers as lie from first to before total.
func awaitUnion(t *testing.T, members []*numbers, first, total int) {
	t.Helper()
	eventually(t, "the queue group has received the last numbers", func() bool {
		got := 0
		for _, m := range members {
			for _, n := range m.list(t) {
				if n >= first {
					got++
				}
			}
		}
		return got >= total-first
	})
	for k, m := range members {
		if list := m.list(t); len(list) == 0 || list[len(list)-1] < first {
			t.Errorf("member %d of the queue group receives nothing since the crash", k)
		}
	}
}

// A host that is back before the verdict resets the connections it knows
// nothing of: that is noticed with the next packet, not with the heartbeat's
// last one.
func TestHostBackBeforeTheVerdict(t *testing.T) {
	t.Parallel()
	each(t, []fault.Mode{fault.PacketsDropped}, func(t *testing.T, mode fault.Mode, broker string) {
		h := newHost(t, mode, broker)
		idle := listen(t, h, subscriber.Config{})
		got := idle.collect(t, "numbers", "")
		h.vanish(t)
		h.comeBack(t)
		lost := idle.diary.await(t, 0, subscriber.EventLost)
		checkCause(t, "idle", lost, subscriber.CauseReset)
		// Its first packet is the heartbeat's first probe.
		silence := lost.Loss.Evidence.Silence
		if beat := heartbeat.Default(); silence > beat.Idle+beat.Interval+starvation.between(lost.Loss.Evidence.LastHeard, lost.told) {
			t.Errorf("noticed after %v of silence, the first probe is due after %v", silence, beat.Idle)
		}
		idle.diary.await(t, 0, subscriber.EventResumed)
		f := startFeed(t, h, publisher.Config{}, "numbers", 1, 0)
		got.await(t, 100)
		if n := len(idle.diary.all(subscriber.EventLost)); n != 1 {
			t.Errorf("lost %d times:\n%s", n, &idle.diary)
		}
		f.finish(t)
		t.Logf("reset after %v of silence", silence)
	})
}

// A publisher whose socket is full when the host vanishes gets its verdict in
// time all the same, its callers get theirs when their contexts end, and it
// goes on with the new broker.
func TestCrashAtFullSpeed(t *testing.T) {
	t.Parallel()
	each(t, bothModes, func(t *testing.T, mode fault.Mode, broker string) {
		h := newHost(t, mode, broker)
		p := startFlood(t, h, publisher.Config{})
		p.awaitMore(t, 32<<20)

		vanished := h.vanish(t)
		checkContextEnds(t, p)
		lost := p.diary.await(t, 0, publisher.EventLost)
		silence := checkNoticed(t, "publisher", lost, vanished)
		if mode == fault.PacketsDropped {
			checkCause(t, "publisher", lost, publisher.CauseHostGone)
		} else {
			checkCause(t, "publisher", lost, publisher.CauseNotReading, publisher.CauseFrozen)
		}
		if lost.Unconfirmed.Messages == 0 {
			t.Error("nothing is unconfirmed although the socket was full")
		}
		h.comeBack(t)
		p.diary.await(t, 0, publisher.EventResumed)
		p.awaitMore(t, 32<<20)
		p.stop()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		must(t, p.Flush(ctx))
		if held := p.longest.Load(); time.Duration(held) > promise+slack+starvation.between(vanished, time.Now()) {
			t.Errorf("one Publish took %v", time.Duration(held))
		}
		t.Logf("silent for %v, %v unconfirmed, longest Publish %v", silence, lost.Unconfirmed,
			time.Duration(p.longest.Load()).Round(time.Millisecond))
	})
}

// checkContextEnds checks that a Publish which waits for room returns when its
// context ends, and that Status answers meanwhile.
func checkContextEnds(t *testing.T, p *flood) {
	t.Helper()
	const limit = 200 * time.Millisecond
	for first := true; ; first = false {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		began := time.Now()
		err := p.Publish(ctx, "flood", p.payload)
		took := time.Since(began)
		cancel()
		if err == nil && took < patience {
			continue // there was still room
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Publish returned %v while the socket was full (first: %v)", err, first)
		}
		if took > 2*limit+starvation.between(began, time.Now()) {
			t.Errorf("Publish returned %v after it was called with %v", took, limit)
		}
		break
	}
	began := time.Now()
	s := p.Status()
	if took := time.Since(began); took > limit {
		t.Errorf("Status took %v", took)
	}
	if s.Queued.Messages == 0 {
		t.Errorf("nothing is queued: %+v", s)
	}
}
