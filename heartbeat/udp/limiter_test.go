package udp

import (
	"net/netip"
	"testing"
	"time"
)

func TestLimiter(t *testing.T) {
	start := time.Now()
	l := newLimiter(10, 3, start)
	a := netip.MustParseAddr("192.0.2.1")
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	for i, tt := range []struct {
		ms   int
		want bool
		why  string
	}{
		{0, true, "the first of a burst of 3"}, {0, true, "the second"}, {0, true, "the third"},
		{0, false, "the fourth"}, {99, false, "a rate of 10 has the next after 100 ms"},
		{100, true, "now"}, {100, false, "and one only"}, {350, true, "2 more in 250 ms"}, {350, true, "2 more in 250 ms"}, {350, false, "and not 3"},
		{10_000, true, "what is not used is kept"}, {10_000, true, "as a burst"}, {10_000, true, "of 3"}, {10_000, false, "and no more"},
		{9_000, false, "a time that runs backwards gives nothing"},
	} {
		if got := l.allow(a, at(tt.ms)); got != tt.want {
			t.Errorf("%d: at %d ms allowed %v: %s", i, tt.ms, got, tt.why)
		}
	}
	// An address in IPv6 clothes, or with a zone, is the same.
	if l.allow(netip.MustParseAddr("::ffff:192.0.2.1"), at(10_000)) {
		t.Error("the mapped address has a rate of its own")
	}
	if !l.allow(netip.MustParseAddr("192.0.2.2"), at(10_000)) {
		t.Error("another address has no rate of its own")
	}
}

// However many addresses there are, the table stays as it is, and all of them
// together are answered no more than its slots allow.
func TestLimiterFlood(t *testing.T) {
	start := time.Now()
	l := newLimiter(1, 2, start)
	allowed := 0
	a := netip.MustParseAddr("2001:db8::")
	for range 100_000 {
		if l.allow(a, start) {
			allowed++
		}
		a = a.Next()
	}
	if allowed != 2*limiterSlots {
		t.Errorf("%d allowed, want %d: each slot its burst", allowed, 2*limiterSlots)
	}
}
