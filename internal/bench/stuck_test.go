package bench

import (
	"bytes"
	"math"
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	var h, other histogram
	if !math.IsNaN(h.percentile(0.5)) {
		t.Error("a percentile of nothing")
	}
	for us := 1; us <= 1000; us++ {
		if us%2 == 0 {
			h.add(time.Duration(us) * time.Microsecond)
		} else {
			other.add(time.Duration(us) * time.Microsecond)
		}
	}
	h.merge(&other)
	for share, want := range map[float64]float64{0.001: 1, 0.5: 500, 0.99: 990, 1: 1000} {
		if got := h.percentile(share); got < want || got > want*1.125+1 {
			t.Errorf("%v: %v, want %v or up to an eighth more", share, got, want)
		}
	}
	// Every step ends where the next begins, up to hours.
	for i := range histogramSteps - 1 {
		end := time.Duration(stepEnd(i)) * time.Microsecond
		if a, b := histogramStep(end-time.Microsecond), histogramStep(end); a != i || b != i+1 {
			t.Fatalf("around the end of step %d, %v: steps %d and %d", i, end, a, b)
		}
	}
	if histogramStep(-time.Second) != 0 || histogramStep(1000*time.Hour) != histogramSteps-1 {
		t.Error("times out of range")
	}
}

func TestStamped(t *testing.T) {
	payload := plain(stampDigits + 4)
	m := message{subject: "a.b", sid: 1, payload: payload}
	like := natsDialect{}.appendDelivery(nil, m)
	var stream []byte
	for _, at := range []int{1_500_000, 2_000_000} {
		putDigits(payload[:stampDigits], at)
		stream = natsDialect{}.appendDelivery(stream, m)
	}
	check := func(stream []byte, now time.Duration) (seconds []histogram, frames int64, err error) {
		s := &stamped{
			like: like, stamp: len(like) - len(payload) - 2, seconds: make([]histogram, 4),
			now: func() time.Duration { return now },
		}
		_, err = s.take(append(bytes.Clone(stream), "MSG a"...))
		return s.seconds, s.frames(), err
	}
	seconds, frames, err := check(stream, 2001*time.Millisecond)
	if err != nil || frames != 2 || seconds[2].total != 2 || seconds[2].percentile(0.5) > 1200 || seconds[2].percentile(1) < 501_000 {
		t.Errorf("%v: %d deliveries in second 2, from %v to %v µs", err, seconds[2].total, seconds[2].percentile(0.5), seconds[2].percentile(1))
	}
	if seconds, _, err := check(stream, -time.Second); err != nil || seconds[3].total != 2 {
		t.Errorf("before the round: %v, %d in the last", err, seconds[3].total)
	}
	for i := range stream {
		mutant := bytes.Clone(stream)
		mutant[i] ^= 0x40
		// A wrong first byte is for the receiver to judge.
		if _, frames, err := check(mutant, time.Second); err == nil && frames == 2 {
			t.Errorf("byte %d, %q, may be wrong", i, stream[i])
		}
	}
}

func TestDisturbance(t *testing.T) {
	seconds := make([]histogram, 5)
	fill := func(second, n int, took time.Duration) {
		for range n {
			seconds[second].add(took)
		}
	}
	fill(0, 100, time.Millisecond)
	fill(1, 98, time.Millisecond)
	fill(2, 100, 5*time.Millisecond)
	fill(3, 50, 5*time.Millisecond)
	s := disturbance(seconds[:4], 2)
	if s.worst != 50./99 || s.calmWorst != 98./99 || s.perSecond != 75 {
		t.Errorf("worst %v, before %v, rate %v", s.worst, s.calmWorst, s.perSecond)
	}
	if s.p99 < 5000 || s.calmP99 < 1000 || s.calmP99 > 1200 {
		t.Errorf("p99 %v, before %v", s.p99, s.calmP99)
	}
	if len(s.seconds) != 4 || s.seconds[1].Stuck || !s.seconds[2].Stuck {
		t.Errorf("seconds %+v", s.seconds)
	}
}
