package broker

import (
	"container/heap"
	"math/rand/v2"
	"sync"
	"time"

	"vigil/heartbeat"
	"vigil/internal/wire"
)

// liveness watches all clients from one goroutine: it sends PINGs to the silent
// and closes those that do not answer. Nothing is re-armed when a client is
// heard: its turn comes when it would have been due, and is then put off to
// when it is due now.
type liveness struct {
	// Fixed after construction.
	cfg     heartbeat.Config
	started time.Time

	// wake tells the sweep that the first turn has changed, or to end.
	wake chan struct{}
	done chan struct{}

	mu    sync.Mutex
	turns turns
}

// watch is what the sweep knows of a client. It is guarded by liveness.mu.
type watch struct {
	detector heartbeat.Detector
	turn     time.Time
	index    int // in turns; -1 when the client is not watched
	// greeted is set by the first PING, which every client is sent, however
	// busy it is.
	greeted bool
}

// greetAfter is when a new client is sent its first PING, plus up to a fifth,
// as nats-server does.
const greetAfter = 2 * time.Second

func newLiveness(cfg heartbeat.Config, started time.Time) *liveness {
	return &liveness{
		cfg:     cfg,
		started: started,
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
}

func (l *liveness) add(c *client) {
	now := time.Now()
	wait := min(greetAfter, l.cfg.Idle)
	wait += rand.N(wait/5 + 1)
	l.mu.Lock()
	c.watch = watch{detector: heartbeat.New(l.cfg, now), turn: now.Add(wait)}
	heap.Push(&l.turns, c)
	first := l.turns[0] == c
	l.mu.Unlock()
	if first {
		l.stir()
	}
}

func (l *liveness) remove(c *client) {
	l.mu.Lock()
	if c.watch.index >= 0 {
		heap.Remove(&l.turns, c.watch.index)
	}
	l.mu.Unlock()
}

func (l *liveness) stir() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// stop ends the sweep.
func (l *liveness) stop() { close(l.done) }

// sweep is the goroutine. It belongs to the broker, ends with stop, and
// Shutdown waits for it.
func (l *liveness) sweep() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-l.wake:
		case <-timer.C:
		}
		timer.Reset(l.round(time.Now()))
	}
}

// round gives every client its turn that is due, and returns when the next is.
func (l *liveness) round(now time.Time) time.Duration {
	for {
		l.mu.Lock()
		if len(l.turns) == 0 {
			l.mu.Unlock()
			return time.Hour
		}
		c := l.turns[0]
		if wait := c.watch.turn.Sub(now); wait > 0 {
			l.mu.Unlock()
			return wait
		}
		action := c.watch.step(now, l.started.Add(time.Duration(c.heard.Load())))
		heap.Fix(&l.turns, 0)
		l.mu.Unlock()
		// Writing is left to after the lock, and never waits.
		switch action {
		case heartbeat.Probe:
			c.sendNow(append(getBuffer(minBuffer), wire.PingLine...))
		case heartbeat.Dead:
			l.remove(c)
			c.endStale()
		}
	}
}

// step is one turn: it asks the detector and sets the time of the next turn.
func (w *watch) step(now, heard time.Time) heartbeat.Action {
	w.detector.Heard(heard)
	action := w.detector.Step(now)
	w.turn = w.detector.Next()
	if !w.greeted {
		w.greeted = true
		return max(action, heartbeat.Probe)
	}
	return action
}

// endStale ends a client that does not answer: its read loop wakes and ends the
// stream in order, so that a client which is only mute gets its -ERR.
func (c *client) endStale() {
	c.reasonIs(staleConnection)
	c.sendNow(wire.AppendErr(getBuffer(minBuffer), textStale))
	_ = c.stream.setReadDeadline(time.Unix(1, 0))
}

// turns is a heap of clients by the time of their turn.
type turns []*client

func (t turns) Len() int           { return len(t) }
func (t turns) Less(i, j int) bool { return t[i].watch.turn.Before(t[j].watch.turn) }
func (t turns) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].watch.index, t[j].watch.index = i, j
}

// Push implements heap.Interface.
func (t *turns) Push(x any) {
	c := x.(*client)
	c.watch.index = len(*t)
	*t = append(*t, c)
}

// Pop implements heap.Interface.
func (t *turns) Pop() any {
	last := len(*t) - 1
	c := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	c.watch.index = -1
	return c
}
