package qos

import (
	"math/rand/v2"
	"time"
)

// congestion is a link that at times carries more data than fits: answers wait
// behind it, and all the while data arrives.
type congestion struct {
	rng   *rand.Rand
	trip  time.Duration
	full  episodes
	queue delay         // what an answer waits in such a time
	every time.Duration // a piece of data arrives

	dead    bool
	answers flights
	last    time.Duration // when the last answer arrives; they keep their order
	behind  time.Duration // when the last answer arrives that waits behind data
	data    time.Duration // when the next piece of data arrives, if there is any
}

func (c *congestion) send(now time.Duration) {
	if c.dead {
		return
	}
	at := now + c.trip
	if _, full := c.full.within(now); full {
		at += c.queue(c.rng)
		c.behind = max(at, c.last)
	}
	at = max(at, c.last)
	c.last = at
	c.answers.add(flight{at: at, said: now + c.trip/2, sent: now})
}

func (c *congestion) next() time.Duration { return min(c.answers.next(), c.nextData()) }

// nextData returns when the next piece of data arrives.
func (c *congestion) nextData() time.Duration {
	switch {
	case c.dead:
		return never
	case c.data <= c.behind:
		return c.data
	default:
		return max(c.data, c.full.start)
	}
}

func (c *congestion) advance() (arrival, bool) {
	data := c.nextData()
	if c.answers.next() <= data {
		return c.answers.take()
	}
	c.data = data + c.every
	c.full.within(c.data) // on to the next such time, behind this one
	return arrival{}, true
}

func (c *congestion) die(now time.Duration) {
	c.dead = true
	c.answers.die(now)
}

func (c *congestion) renew(now time.Duration) {
	c.answers, c.last, c.behind = c.answers[:0], now, now
}
