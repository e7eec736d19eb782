package integration_test

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"vigil/heartbeat"
	"vigil/internal/fault"
	"vigil/subscriber"
)

// promise is what Vigil's clients promise by default: a broker that vanished is
// known to have within it, counted from the last byte heard.
const promise = 2 * time.Second

// slack is by how much events in this process, the broker and the kernel may
// be told in another order than they happened.
const slack = 50 * time.Millisecond

// checkNoticed checks that a loss was noticed by the heartbeat within the
// promise, by the client's own account and by ours, and returns the silence.
// vanished is when the host had.
func checkNoticed(t *testing.T, who string, e entry, vanished time.Time) time.Duration {
	t.Helper()
	if !e.Loss.Cause.Stale() {
		t.Errorf("%s: the cause is %q, not one of the heartbeat's", who, e.Loss.Cause)
	}
	seen := e.Loss.Evidence
	if seen.LastHeard.After(vanished.Add(slack)) {
		t.Errorf("%s says it heard something %v after the host had vanished", who, seen.LastHeard.Sub(vanished))
	}
	allowed := promise + excuse(t, who, seen, e.told)
	if seen.Silence > allowed {
		t.Errorf("%s noticed after %v of silence, promised are %v: %+v", who, seen.Silence, allowed, seen)
	}
	if took := e.told.Sub(vanished); took > allowed {
		t.Errorf("%s told it %v after the host had vanished, promised are %v", who, took, allowed)
	}
	if bound := heartbeat.Default().Bound(); seen.Silence < bound {
		t.Errorf("%s gave up after %v of silence, before its bound of %v", who, seen.Silence, bound)
	}
	return seen.Silence
}

// excuse is how much longer a verdict may take because this process was not
// running: a detector that was itself late owes the peer a fresh round. It must
// say so in its evidence, and the meter must have seen it too.
func excuse(t *testing.T, who string, seen heartbeat.Evidence, told time.Time) time.Duration {
	t.Helper()
	paused := starvation.between(seen.LastHeard, told)
	cfg := heartbeat.Default()
	tolerated := promise - cfg.Bound()
	if paused < tolerated && (seen.Pauses == 0 || paused < cfg.Interval/2) {
		return 0
	}
	extra := paused + time.Duration(seen.Pauses)*time.Duration(cfg.Probes)*cfg.Interval
	t.Logf("NOISE: this process got no CPU for %v while %s waited (%d pauses by its own account): up to %v more is allowed",
		paused, who, seen.Pauses, extra)
	return extra
}

// checkNoFalseAlarm checks that no connection was given up for its silence.
func checkNoFalseAlarm(t *testing.T, l *listener, beat heartbeat.Config) {
	t.Helper()
	for _, lost := range l.diary.all(subscriber.EventLost) {
		paused := starvation.between(lost.Loss.Evidence.LastHeard, lost.told)
		switch {
		case !lost.Loss.Cause.Stale(): // nats-server may end a subscriber that is so far behind
			t.Logf("ended by the broker: %v", lost.Event)
		case paused >= beat.Interval/2: // so may the broker's process have been
			t.Logf("NOISE: this process got no CPU for %v: %v", paused, lost.Event)
		default:
			t.Errorf("given up while messages came: %v; %+v", lost.Event, lost.Loss.TCP)
		}
	}
}

// checkCause checks why a connection was lost, where the platform can tell.
func checkCause(t *testing.T, who string, e entry, want ...subscriber.Cause) {
	t.Helper()
	if runtime.GOOS != "linux" {
		want = append(want, subscriber.CauseStale)
	}
	if !slices.Contains(want, e.Loss.Cause) {
		t.Errorf("%s: the cause is %q, want %v; evidence %+v, %+v", who, e.Loss.Cause, want, e.Loss.Evidence, e.Loss.TCP)
	}
}

// causesOfVanishing are those that a client without traffic can find: a proxy's
// kernel goes on acknowledging for the host that is gone.
func causesOfVanishing(mode fault.Mode) subscriber.Cause {
	if mode == fault.PacketsDropped {
		return subscriber.CauseHostGone
	}
	return subscriber.CauseFrozen
}

// checkOrder checks that no number came twice or behind a later one.
func checkOrder(t *testing.T, who string, got *numbers) {
	t.Helper()
	list := got.list(t)
	for k := 1; k < len(list); k++ {
		if list[k] <= list[k-1] {
			t.Errorf("%s received %d behind %d", who, list[k], list[k-1])
			return
		}
	}
}

// checkMissed checks that every number of the feed which a subscription missed
// was published while its client says it was deaf, and returns how many were.
// The feed has finished.
func checkMissed(t *testing.T, who string, got *numbers, f *feed, l *listener) (missed int) {
	t.Helper()
	list := got.list(t)
	if len(list) == 0 {
		t.Errorf("%s received nothing", who)
		return 0
	}
	slices.Sort(list)
	if len(slices.Compact(slices.Clone(list))) != len(list) {
		t.Errorf("%s received a number twice", who)
		return 0
	}
	for n, k := list[0], 0; n < f.next(); n++ {
		if k < len(list) && list[k] == n {
			k++
			continue
		}
		missed++
		if at := f.at[n]; !deaf(at, l) {
			t.Errorf("%s missed number %d, published %s, outside its deaf windows:\n%s",
				who, n, at.Format("15:04:05.000"), &l.diary)
			return missed
		}
	}
	return missed
}

// deaf reports whether one of the listeners says that it was deaf at a time.
func deaf(at time.Time, listeners ...*listener) bool {
	for _, l := range listeners {
		for _, e := range l.diary.all(subscriber.EventResumed) {
			if at.After(e.DeafFrom.Add(-slack)) && at.Before(e.DeafTo) {
				return true
			}
		}
	}
	return false
}

// checkShared checks that of the numbers of the feed the members of a queue
// group received each exactly once, or not at all while one was deaf. It
// returns how many were missed. The feed has finished.
func checkShared(t *testing.T, f *feed, since int, members []*numbers, listeners ...*listener) (missed int) {
	t.Helper()
	times := make(map[int]int)
	for _, m := range members {
		for _, n := range m.list(t) {
			times[n]++
		}
	}
	for n := since; n < f.next(); n++ {
		switch times[n] {
		case 1:
		case 0:
			missed++
			if !deaf(f.at[n], listeners...) {
				t.Errorf("no member of the queue group received number %d, and none was deaf", n)
				return missed
			}
		default:
			t.Errorf("number %d was received %d times in the queue group", n, times[n])
		}
	}
	return missed
}
