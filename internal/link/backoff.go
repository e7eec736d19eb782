package link

import (
	"math/rand/v2"
	"time"
)

// backoff decides how long to wait before each attempt to connect: "full
// jitter" (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture
// Blog, 2015), a random span between nothing and a limit that doubles. The
// first attempt after a loss waits too: when a broker dies all its clients
// notice together, and should not come back together.
type backoff struct {
	base, cap time.Duration
}

// lastingAfter is how many times the longest wait a connection must have lived
// for its loss to start the waits from the beginning. A broker that resets
// every connection is thereby left in peace.
const lastingAfter = 2

// wait returns how long to wait before the attempt with this number, counted
// from 0, when there are so many servers. The limit doubles with each round
// over the servers. The wait counts from the start of the attempt before, which
// took so long: one that nobody answered was a wait itself.
func (b backoff) wait(attempt, servers int, took time.Duration, rng *rand.Rand) time.Duration {
	limit := b.base
	for range attempt / max(servers, 1) {
		if limit *= 2; limit >= b.cap {
			limit = b.cap
			break
		}
	}
	if limit <= 0 {
		return 0
	}
	return max(0, time.Duration(rng.Int64N(int64(limit)))-took)
}

// restart reports whether a connection that lived so long makes the next
// attempt the first again.
func (b backoff) restart(lived time.Duration) bool { return lived >= lastingAfter*b.cap }
