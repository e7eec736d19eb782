package link

import (
	"testing"
	"time"
)

func TestArrival(t *testing.T) {
	type read struct {
		began, ended int // ms
		full         bool
		want         int
	}
	for name, reads := range map[string][]read{
		"a reader that waits":     {{0, 60, false, 60}, {60, 900, false, 900}, {900, 1800, true, 1800}, {1800, 1800, false, 1800}},
		"one that keeps up":       {{0, 10, true, 10}, {12, 12, true, 12}, {20, 20, false, 20}},
		"held, and all lay there": {{0, 10, false, 10}, {2000, 2000, false, 10}, {2000, 2500, false, 2500}},
		"held, and what had no room comes behind": {{0, 10, false, 10}, {2000, 2000, false, 10}, {2001, 2003, false, 10},
			{2900, 2910, false, 10}, {2910, 3000, false, 3000}},
		"held twice before it caught up": {{0, 10, true, 10}, {2000, 2000, true, 10}, {4000, 4000, false, 10}, {4940, 4980, false, 10}},
		"held, and nothing came":         {{0, 10, false, 10}, {2000, 2100, false, 2100}},
		"held for a moment":              {{0, 10, false, 10}, {60, 60, false, 60}},
		"the first read is no news":      {{5000, 5000, true, 5000}},
	} {
		var a arrival
		start := time.Now()
		at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
		for i, r := range reads {
			if got := a.read(at(r.began), at(r.ended), r.full); !got.Equal(at(r.want)) {
				t.Errorf("%s, read %d: since %v, want %d ms", name, i, got.Sub(start), r.want)
			}
		}
	}
}

// A flow that never pauses catches up a second after the reader was held, unless
// there is more than it reads.
func TestArrivalInAFlow(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	for _, full := range []bool{false, true} {
		var a arrival
		a.read(at(0), at(10), false)
		for ms := 2000; ms < 5000; ms += 40 {
			got := a.read(at(ms), at(ms+20), full)
			if late := ms <= 3000 || full; late != got.Equal(at(10)) || !late && !got.Equal(at(ms+20)) {
				t.Fatalf("full reads %v, at %d ms: since %v", full, ms, got.Sub(start))
			}
		}
	}
}
