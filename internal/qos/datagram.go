package qos

import (
	"math/rand/v2"
	"time"
)

// datagrams are lost and delayed each on its own, unless in a bad time. A peer
// may stand still for a while and answers behind it.
type datagrams struct {
	rng    *rand.Rand
	loss   float64 // each way
	trip   delay   // there and back
	bad    episodes
	badly  float64 // loss each way in a bad time
	paused episodes

	dead    bool
	answers flights
}

func (d *datagrams) send(now time.Duration) {
	loss := d.loss
	if _, bad := d.bad.within(now); bad {
		loss = d.badly
	}
	trip := d.trip(d.rng)
	if d.dead || loss > 0 && d.rng.Float64() >= (1-loss)*(1-loss) {
		return
	}
	said := now + trip/2
	if end, paused := d.paused.within(said); paused {
		said = end
	}
	d.answers.add(flight{at: said + trip - trip/2, said: said, sent: now})
}

func (d *datagrams) next() time.Duration { return d.answers.next() }

func (d *datagrams) advance() (arrival, bool) { return d.answers.take() }

func (d *datagrams) die(now time.Duration) {
	d.dead = true
	d.answers.die(now)
}

// renew has nothing to replace: a datagram that arrives late tells as much.
func (d *datagrams) renew(time.Duration) {}
