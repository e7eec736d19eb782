package bench

import (
	"context"

	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The scenario of one subscriber among many that ceases to read. The rate is
// given, well below what brokers can do, so that it is the broker's doing if
// the others receive less. The one that gets stuck subscribes to something
// large besides, so that the broker soon has as much waiting for it as it
// allows.
const (
	stuckSubscribers = 100
	stuckRate        = 5000 // messages a second
	stuckSize        = 128
	stuckBulk        = 64 << 10 // the size of what only one subscribes to
	stuckBulks       = 4        // of them each step
	stuckStep        = 10 * time.Millisecond
	stuckBatch       = stuckRate * int(stuckStep) / int(time.Second)

	stuckWarm = time.Second
	stuckCalm = 5 * time.Second  // measured undisturbed
	stuckLong = 10 * time.Second // measured with one that is stuck
)

// Second is what the subscribers that go on reading had in one second.
type Second struct {
	Stuck     bool    `json:"stuck"` // while another was stuck
	PerSecond float64 `json:"per_s"`
	P99       float64 `json:"p99_us"`
}

// measureStuck is the round.
func measureStuck(ctx context.Context, t *target, _ timing) (sample, error) {
	return measureStuckFor(ctx, t, stuckCalm, stuckLong)
}

// measureStuckFor is the round with calm whole seconds and long ones.
func measureStuckFor(ctx context.Context, t *target, calm, long time.Duration) (sample, error) {
	r := &stuckRound{target: t, began: time.Now().Add(stuckWarm), calm: calm, long: long}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.end()
	if err := r.connect(); err != nil {
		return noSample(), err
	}
	if err := pause(r.ctx, time.Until(r.began.Add(calm))); err != nil {
		return noSample(), err
	}
	r.stuck.Store(true)
	watch := startWatch(t.meter, r.delivered.Load)
	if err := pause(r.ctx, long); err != nil {
		return noSample(), err
	}
	_, cpu := watch.stop()
	peak := t.meter.peak()
	r.end() // the subscribers' seconds are theirs until then
	s := r.account()
	s.cpu, s.peak = cpu, peak
	return s, nil
}

// stuckRound is a round that runs.
type stuckRound struct {
	// Fixed after construction.
	target     *target
	began      time.Time     // when what is measured begins; times count from here
	calm, long time.Duration // how long it goes undisturbed, and then disturbed
	ctx        context.Context
	cancel     context.CancelCauseFunc

	conns     []*conn // owned by connect, then by end
	delivered atomic.Int64
	stuck     atomic.Bool
	// seconds has a row for each subscriber, owned by its reader until end.
	seconds [][]histogram
	pumps   sync.WaitGroup // counts readers and publisher; end waits for them
}

func (r *stuckRound) now() time.Duration { return time.Since(r.began) }

// connect starts all subscribers and then the publisher.
func (r *stuckRound) connect() error {
	d := r.target.dialect
	flow := message{subject: "bench.stuck", sid: 1, payload: plain(stuckSize)}
	bulk := message{subject: "bench.stuckbulk", sid: 2, payload: plain(stuckBulk)}
	for i := range stuckSubscribers + 1 {
		c, err := dial(r.ctx, d, r.target.addr, i < stuckSubscribers)
		if err != nil {
			return err
		}
		r.conns = append(r.conns, c)
		context.AfterFunc(r.ctx, func() { _ = c.Close() })
		switch {
		case i == 0:
			both := d.appendSubscribe(d.appendSubscribe(nil, flow.subject, "", flow.sid), bulk.subject, "", bulk.sid)
			if err := c.subscribe(d, both, 2); err != nil {
				return err
			}
			// Owned by r; ends when it gets stuck or with the connection; end
			// waits for it.
			r.pumps.Go(func() { r.readUntilStuck(c) })
		case i < stuckSubscribers:
			if err := c.subscribe(d, d.appendSubscribe(nil, flow.subject, "", flow.sid), 1); err != nil {
				return err
			}
			if err := r.read(c, d.appendDelivery(nil, flow)); err != nil {
				return err
			}
		default:
			r.pumps.Go(func() { r.publish(c, flow, bulk) }) // as above
		}
	}
	return nil
}

// readUntilStuck takes whatever comes to the subscriber that gets stuck, and
// looks at none of it.
func (r *stuckRound) readUntilStuck(c *conn) {
	buf := make([]byte, readSize)
	for !r.stuck.Load() {
		if _, err := c.Read(buf); err != nil {
			r.cancel(noEOF(err))
			return
		}
	}
}

// read starts to read one of the others.
func (r *stuckRound) read(c *conn, like []byte) error {
	seconds := make([]histogram, int((r.calm+r.long)/time.Second)+1)
	r.seconds = append(r.seconds, seconds)
	receiver, err := newReceiver(c, r.target.dialect, &stamped{
		like: like, stamp: len(like) - stuckSize - len("\r\n"), now: r.now, seconds: seconds,
	})
	if err != nil {
		return err
	}
	// Owned by r; ends with the connection; end waits for it.
	r.pumps.Go(func() {
		for {
			n, err := receiver.read()
			if err != nil {
				r.cancel(err)
				return
			}
			r.delivered.Add(n)
		}
	})
	return nil
}

// publish publishes what is due at each step. Times are when it was due: a
// publisher that is held back by the broker makes them no better.
func (r *stuckRound) publish(c *conn, flow, bulk message) {
	d := r.target.dialect
	tick := time.NewTicker(stuckStep)
	defer tick.Stop()
	var b []byte
	due := r.now()
	for {
		select {
		case <-tick.C:
		case <-r.ctx.Done():
			return
		}
		for now := r.now(); due < now; due += stuckStep {
			putDigits(flow.payload[:stampDigits], int(max(due, 0)/time.Microsecond))
			b = b[:0]
			for range stuckBatch {
				b = d.appendPublish(b, flow)
			}
			for range stuckBulks {
				b = d.appendPublish(b, bulk)
			}
			if _, err := c.Write(b); err != nil {
				r.cancel(err)
				return
			}
		}
	}
}

// end closes everything and waits.
func (r *stuckRound) end() {
	r.cancel(errEnded)
	r.pumps.Wait()
}

// account adds up what the others had.
func (r *stuckRound) account() sample {
	all := make([]histogram, int((r.calm+r.long)/time.Second))
	for _, seconds := range r.seconds {
		for i := range all {
			all[i].merge(&seconds[i])
		}
	}
	return disturbance(all, int(r.calm/time.Second))
}

// disturbance compares the seconds from the stuck-th on with those before.
func disturbance(seconds []histogram, stuck int) sample {
	s := noSample()
	var calm, disturbed histogram
	var calmRates, rates []float64
	for i := range seconds {
		h, rate := &seconds[i], float64(seconds[i].total)
		s.seconds = append(s.seconds, Second{Stuck: i >= stuck, PerSecond: rate, P99: h.percentile(0.99)})
		if i < stuck {
			calm.merge(h)
			calmRates = append(calmRates, rate)
		} else {
			disturbed.merge(h)
			rates = append(rates, rate)
		}
	}
	s.perSecond = summarize(rates).Median
	s.p50, s.p99, s.calmP99 = disturbed.percentile(0.50), disturbed.percentile(0.99), calm.percentile(0.99)
	usual := summarize(calmRates).Median
	s.worst, s.calmWorst = slices.Min(rates)/usual, slices.Min(calmRates)/usual
	return s
}
