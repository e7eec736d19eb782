package qos

import (
	"math/rand/v2"
	"time"
)

// episodes come and go: pauses, congestion, bursts of loss. The time between
// two is exponential with the given mean. Ask about times in their order; one
// that lies before an episode that is over is taken to lie outside of any.
type episodes struct {
	rng     *rand.Rand
	between time.Duration // mean, from the end of one to the start of the next; 0 is none at all
	length  delay

	start, end time.Duration // the present or next one
}

func newEpisodes(r *rand.Rand, between time.Duration, length delay) episodes {
	e := episodes{rng: r, between: between, length: length, start: never, end: never}
	if between > 0 {
		e.end = 0
		e.following()
	}
	return e
}

// following goes on to the next one.
func (e *episodes) following() {
	e.start = e.end + time.Duration(e.rng.ExpFloat64()*float64(e.between))
	e.end = e.start + e.length(e.rng)
}

// within reports whether now lies within an episode, and when that ends.
func (e *episodes) within(now time.Duration) (end time.Duration, yes bool) {
	for now >= e.end {
		e.following()
	}
	return e.end, now >= e.start
}
