package front

import (
	"strings"
	"testing"
	"time"
)

// start is when the tests of a path begin.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// at is a time of a test, in milliseconds.
func at(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }

// drained takes from a path until it waits, and returns what passed and how it ended.
func drained(p *path, now time.Time, l lane) (all string, do step, wait time.Duration) {
	for {
		do, data, wait := p.next(now, l)
		if do != stepPass {
			return all, do, wait
		}
		all += string(data)
	}
}

func want(t *testing.T, why string, p *path, ms int, l lane, bytes string, do step, wait time.Duration) {
	t.Helper()
	got, did, waited := drained(p, at(ms), l)
	if got != bytes || did != do || waited != wait {
		t.Errorf("%s: passed %q, then %v, wait %v; want %q, then %v, wait %v", why, got, did, waited, bytes, do, wait)
	}
}

func TestPathPassesInOrder(t *testing.T) {
	var p path
	open := condition{}.lane(ToBroker)
	want(t, "nothing has come", &p, 0, open, "", stepWait, 0)
	p.put(at(0), []byte("ab"), 0)
	p.put(at(0), []byte("cd"), 0)
	if room := p.room(open); room != queueLimit-4 {
		t.Errorf("room for %d bytes", room)
	}
	want(t, "all has come", &p, 0, open, "abcd", stepWait, 0)
	p.put(at(0), []byte("e"), 0)
	p.ended = true
	want(t, "the end is behind the rest", &p, 0, open, "e", stepEnd, 0)
}

func TestPathHolds(t *testing.T) {
	var p path
	p.put(at(0), []byte("ab"), 0)
	p.ended = true
	for _, c := range []condition{{frozen: true}, {hole: ToBroker}, {hole: Both}} {
		want(t, "held", &p, 0, c.lane(ToBroker), "", stepWait, 0)
	}
	want(t, "the other way", &p, 0, condition{hole: FromBroker}.lane(ToBroker), "ab", stepEnd, 0)
}

func TestPathDelays(t *testing.T) {
	var p path
	open := condition{}.lane(ToBroker)
	p.put(at(0), []byte("ab"), 10*time.Millisecond)
	p.put(at(4), []byte("cd"), 10*time.Millisecond)
	p.put(at(5), []byte("ef"), 0) // the delay has ended; the order stays
	want(t, "too early", &p, 9, open, "", stepWait, time.Millisecond)
	want(t, "the first is due", &p, 10, open, "ab", stepWait, 4*time.Millisecond)
	want(t, "so are all", &p, 14, open, "cdef", stepWait, 0)
}

func TestPathKeepsItsRate(t *testing.T) {
	var p path
	l := condition{rate: 1000}.lane(FromBroker)
	p.put(at(0), []byte(strings.Repeat("x", 25)), 0)
	want(t, "10 ms of bytes", &p, 0, l, strings.Repeat("x", 10), stepWait, 10*time.Millisecond)
	want(t, "nothing before they have gone", &p, 9, l, "", stepWait, time.Millisecond)
	want(t, "the next", &p, 10, l, strings.Repeat("x", 10), stepWait, 10*time.Millisecond)
	want(t, "the rest", &p, 20, l, strings.Repeat("x", 5), stepWait, 0)
	p.put(at(20), []byte("x"), 0)
	want(t, "it has not gone yet", &p, 20, l, "", stepWait, 5*time.Millisecond)
}

func TestPathIsCut(t *testing.T) {
	var p path
	open := condition{}.lane(FromBroker)
	p.put(at(0), []byte("abcdef"), 0)
	p.cut(4)
	want(t, "exactly so many", &p, 0, open, "abcd", stepCut, 0)
	p = path{}
	p.cut(0)
	want(t, "at once", &p, 0, open, "", stepCut, 0)
}

func TestConditionsAddUp(t *testing.T) {
	all := condition{hole: ToBroker, delay: time.Second, rate: 10}
	own := condition{hole: FromBroker, delay: time.Second, rate: 5, frozen: true, uptake: 3}
	if got, want := all.with(own), (condition{frozen: true, hole: Both, delay: 2 * time.Second, rate: 5, uptake: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if l := all.with(own).lane(FromBroker); l.rate != 3 || l.limit != slowLimit || !l.held {
		t.Errorf("a slow reader's lane is %+v", l)
	}
	if l := all.with(own).lane(ToBroker); l.rate != 5 || l.limit != queueLimit {
		t.Errorf("the other lane is %+v", l)
	}
}
