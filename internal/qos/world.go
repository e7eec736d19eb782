package qos

import (
	"math/rand/v2"
	"time"

	"vigil/heartbeat"
)

// Watcher is what is judged: a heartbeat.Detector is one.
type Watcher interface {
	Heard(now time.Time)
	Answered(sent, now time.Time)
	Step(now time.Time) heartbeat.Action
	Next() time.Time
}

// world is one Watcher, its process, and the network to its peer. It is played
// from event to event.
type world struct {
	rng   *rand.Rand
	start time.Time // the times a Watcher is told begin here
	watch func(now time.Time) Watcher
	net   network
	// pauses are when our own process stands still. What arrives meanwhile is
	// read behind it, before or after the Watcher has its turn: by chance, as
	// two goroutines are woken.
	pauses episodes

	now     time.Duration
	watcher Watcher
	due     time.Duration // the watcher's Next
	kept    []arrival     // by a process that stood still

	probes, answers int64
	heard           time.Duration // the last byte
}

// renew gives the watcher up for another one, with another connection, whose
// greeting is the first probe.
func (w *world) renew() {
	w.net.renew(w.now)
	if l, ok := w.watcher.(heartbeat.Learner); ok {
		w.watcher = l.Successor(w.start.Add(w.now))
	} else {
		w.watcher = w.watch(w.start.Add(w.now))
	}
	w.due = w.watcher.Next().Sub(w.start)
	w.net.send(w.now)
	w.probes++
}

// play runs the world until end, or until the watcher's verdict, or, with heard,
// until a byte arrives.
func (w *world) play(end time.Duration, untilHeard bool) (verdict bool) {
	for {
		arrives := w.net.next()
		at := max(min(w.due, arrives), w.now)
		if at >= end {
			w.now = end
			return false
		}
		if at >= w.pauses.start {
			if w.standStill() {
				return true
			}
			continue
		}
		w.now = at
		if arrives <= at {
			if a, ok := w.net.advance(); ok {
				w.hear(a)
				if untilHeard {
					return false
				}
			}
		} else if w.step() {
			return true
		}
	}
}

// standStill is a pause of our own process.
func (w *world) standStill() (verdict bool) {
	end, _ := w.pauses.within(w.pauses.start)
	w.kept = w.kept[:0]
	for w.net.next() < end {
		if a, ok := w.net.advance(); ok {
			w.kept = append(w.kept, a)
		}
	}
	w.now = end
	w.pauses.following()
	if w.due <= end && w.rng.Uint64()&1 == 0 && w.step() {
		return true
	}
	for _, a := range w.kept {
		w.hear(a)
	}
	return false
}

func (w *world) hear(a arrival) {
	now := w.start.Add(w.now)
	if a.answer {
		w.answers++
		w.watcher.Answered(w.start.Add(a.sent), now)
	} else {
		w.watcher.Heard(now)
	}
	w.heard = w.now
	w.due = w.watcher.Next().Sub(w.start)
}

func (w *world) step() (verdict bool) {
	switch w.watcher.Step(w.start.Add(w.now)) {
	case heartbeat.Dead:
		return true
	case heartbeat.Probe:
		w.probes++
		w.net.send(w.now)
	}
	w.due = w.watcher.Next().Sub(w.start)
	return false
}
