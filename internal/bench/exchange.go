package bench

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// exchange is a requester and a responder: one request at a time, and its way
// there and back is timed.
type exchange struct {
	// Fixed after newExchange.
	conns               []*conn
	requester, answerer *receiver
	request, reply      []byte

	// answering is the answerer's goroutine; end waits for it.
	answering sync.WaitGroup
	// failed holds why it ended, if it could not go on; room for one.
	failed chan error
}

// exchangeSize is the payload of a request and of a reply, in bytes.
const exchangeSize = 16

// newExchange connects both sides. The caller calls end, whatever the error.
func newExchange(ctx context.Context, t *target) (*exchange, error) {
	d := t.dialect
	question := message{subject: "bench.service", sid: 1, reply: "bench.inbox.1", payload: plain(exchangeSize)}
	answer := message{subject: question.reply, sid: 1, payload: plain(exchangeSize)}
	e := &exchange{
		request: d.appendPublish(nil, question),
		reply:   d.appendPublish(nil, answer),
		failed:  make(chan error, 1),
	}
	for _, side := range []struct {
		receives message
		receiver **receiver
	}{{question, &e.answerer}, {answer, &e.requester}} {
		c, err := dial(ctx, d, t.addr, true)
		if err != nil {
			return e, err
		}
		e.conns = append(e.conns, c)
		context.AfterFunc(ctx, func() { _ = c.Close() })
		if err := c.subscribe(d, d.appendSubscribe(nil, side.receives.subject, "", 1), 1); err != nil {
			return e, err
		}
		delivery := d.appendDelivery(nil, side.receives)
		expected, err := newTape(delivery, len(delivery))
		if err != nil {
			return e, err
		}
		if *side.receiver, err = newReceiver(c, d, expected); err != nil {
			return e, err
		}
	}
	// Owned by e; ends with the connection; end waits for it.
	e.answering.Go(func() { e.failed <- e.answer() })
	return e, nil
}

// answer answers requests until the connection ends.
func (e *exchange) answer() error {
	for {
		n, err := e.answerer.read()
		if err != nil {
			return err
		}
		for range n {
			if _, err := e.answerer.c.Write(e.reply); err != nil {
				return err
			}
		}
	}
}

// ask sends a request and waits for the reply.
func (e *exchange) ask() (time.Duration, error) {
	began := time.Now()
	if _, err := e.requester.c.Write(e.request); err != nil {
		return 0, err
	}
	for {
		n, err := e.requester.read()
		if err != nil {
			select {
			case err = <-e.failed:
			default:
			}
			return 0, err
		}
		if n > 1 {
			return 0, fmt.Errorf("%d replies to a request", n)
		}
		if n == 1 {
			return time.Since(began), nil
		}
	}
}

// askFor asks for as long as d, and appends how long each request took.
func (e *exchange) askFor(d time.Duration, times []time.Duration) ([]time.Duration, error) {
	end := time.Now().Add(d)
	if err := e.requester.c.SetDeadline(end.Add(setupTimeout)); err != nil {
		return times, err
	}
	for time.Now().Before(end) {
		took, err := e.ask()
		if err != nil {
			return times, fmt.Errorf("request: %w", err)
		}
		times = append(times, took)
	}
	return times, nil
}

// end closes both sides.
func (e *exchange) end() {
	for _, c := range e.conns {
		_ = c.Close()
	}
	e.answering.Wait()
}

// measureExchange is a measured round of requests and replies alone.
func measureExchange(ctx context.Context, t *target, timing timing) (sample, error) {
	defer spare()()
	s := noSample()
	e, err := newExchange(ctx, t)
	defer e.end()
	if err != nil {
		return s, err
	}
	if _, err := e.askFor(timing.warm, nil); err != nil {
		return s, err
	}
	var times []time.Duration
	watch := startWatch(t.meter, func() int64 { return int64(len(times)) })
	if times, err = e.askFor(timing.window, make([]time.Duration, 0, 1<<16)); err != nil {
		return s, err
	}
	s.perSecond, s.cpu = watch.stop()
	s.peak = t.meter.peak()
	s.latency(times)
	return s, nil
}

// measureBeside is the same beside a flow that takes all it can get: its rate
// and its cost, and the latency of the others.
func measureBeside(ctx context.Context, t *target, timing timing) (sample, error) {
	defer spare()()
	e, err := newExchange(ctx, t)
	defer e.end()
	if err != nil {
		return noSample(), err
	}
	var times []time.Duration
	s, err := one(1, 1, 128).measureWith(ctx, t, timing, func(d time.Duration) (err error) {
		times, err = e.askFor(d, times[:0])
		return err
	})
	s.latency(times)
	return s, err
}

// latency enters what the times come to.
func (s *sample) latency(times []time.Duration) {
	slices.Sort(times)
	s.p50, s.p99 = percentile(times, 0.50), percentile(times, 0.99)
}

// spare lets this process run more goroutines at once than there are processors
// until undo is called: so one of them can wait for the network while the
// others are busy, and the kernel's scheduler decides who runs, as between
// processes.
func spare() (undo func()) {
	before := runtime.GOMAXPROCS(runtime.NumCPU() + 2)
	return func() { runtime.GOMAXPROCS(before) }
}
