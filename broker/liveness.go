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
	cfg       heartbeat.Config
	work      heartbeat.Config // for clients that were sent work
	handshake time.Duration    // 0 or less is no bound
	started   time.Time

	// wake tells the sweep that the first turn has changed, or to end.
	wake chan struct{}
	done chan struct{}

	mu    sync.Mutex
	turns turns
}

// watch is what the sweep knows of a client. It is guarded by liveness.mu.
type watch struct {
	detector heartbeat.Schedule
	turn     time.Time
	index    int // in turns; -1 when the client is not watched
	// greet is when the first PING is due, which every client is sent, however
	// busy it is; zero behind it.
	greet time.Time
	// deadline is when the first operation must be complete; zero when it is,
	// or need not.
	deadline time.Time
	// worker watches, since asked, a client that was sent work; nil when
	// nothing is to be asked about that.
	worker *heartbeat.Schedule
	asked  time.Time
	// mutual is after how much silence the client is told that it is not heard,
	// 0 for never; told is when it was told last.
	mutual time.Duration
	told   time.Time
}

// mutualBounds are what a client may ask for as mutual.
const (
	minMutual = 100 * time.Millisecond
	maxMutual = time.Hour
)

// greetAfter is when a new client is sent its first PING, plus up to a fifth,
// as nats-server does.
const greetAfter = 2 * time.Second

// A client that was sent a message of a queue group, and not heard since, is
// sent a PING after workIdle and is suspect when that is unanswered for
// workInterval: another member could have had the message. It costs a PING each
// 1.5 s for a member that never says anything but PONG.
const (
	workIdle     = time.Second
	workInterval = 500 * time.Millisecond
)

func newLiveness(cfg Config, started time.Time) *liveness {
	beat := cfg.heartbeat()
	return &liveness{
		cfg: beat,
		work: heartbeat.Config{
			Idle: min(workIdle, beat.Idle), Interval: min(workInterval, beat.Interval), Probes: 1,
		},
		handshake: cfg.HandshakeTimeout,
		started:   started,
		wake:      make(chan struct{}, 1),
		done:      make(chan struct{}),
	}
}

func (l *liveness) add(c *client) {
	now := time.Now()
	wait := min(greetAfter, l.cfg.Idle)
	wait += rand.N(wait/5 + 1)
	l.mu.Lock()
	c.watch = watch{detector: heartbeat.NewSchedule(l.cfg, now), greet: now.Add(wait)}
	if l.handshake > 0 {
		c.watch.deadline = now.Add(l.handshake)
	}
	c.watch.turn = c.watch.next()
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

// hurry has a client asked about soon that was sent work. It is called once per
// batch with such, and does something once until the client has been asked.
func (l *liveness) hurry(c *client) {
	if c.working.Load() || !c.working.CompareAndSwap(false, true) {
		return
	}
	now := time.Now()
	l.mu.Lock()
	w := &c.watch
	if w.index < 0 || w.index >= len(l.turns) || l.turns[w.index] != c {
		l.mu.Unlock() // not watched yet, or no longer
		return
	}
	worker := heartbeat.NewSchedule(l.work, now)
	w.worker, w.asked = &worker, now
	w.turn = w.next()
	heap.Fix(&l.turns, w.index)
	first := l.turns[0] == c
	l.mu.Unlock()
	if first {
		l.stir()
	}
}

// tellAfter has a client told, after each d of silence, that it is not heard: its
// half of mutual hearing.
func (l *liveness) tellAfter(c *client, d time.Duration) {
	l.mu.Lock()
	w := &c.watch
	if w.index < 0 || w.index >= len(l.turns) || l.turns[w.index] != c {
		l.mu.Unlock() // not watched yet, or no longer
		return
	}
	w.mutual = min(max(d, minMutual), maxMutual)
	w.turn = w.next()
	heap.Fix(&l.turns, w.index)
	first := l.turns[0] == c
	l.mu.Unlock()
	if first {
		l.stir()
	}
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
		heard := c.heard.Load()
		t := c.watch.step(now, l.started.Add(time.Duration(heard)), c.begun.Load())
		heap.Fix(&l.turns, 0)
		l.mu.Unlock()
		// Writing is left to after the lock, and never waits.
		switch {
		case t.silent:
			l.remove(c)
			c.close(tooSilent)
		case t.action == heartbeat.Dead:
			l.remove(c)
			c.endStale()
		case t.action == heartbeat.Probe:
			c.round.begins()
			c.out.sendFirst(t.appendPing(getBuffer(minBuffer)))
		}
		if t.answered {
			c.working.Store(false)
		}
		if t.suspect {
			c.suspect.Store(true)
			if c.heard.Load() != heard { // meanwhile, and saw no suspicion to end
				c.trust()
			}
		}
	}
}

// turn is what a client's turn has led to.
type turn struct {
	action heartbeat.Action
	// suspect says that a PING is overdue.
	suspect bool
	// answered says that the client was heard since it was sent work.
	answered bool
	// silent says that the first operation is overdue.
	silent bool
	// unheard is how long the client has not been heard, for one that wants to
	// know, else negative.
	unheard time.Duration
}

func (t turn) appendPing(dst []byte) []byte {
	if t.unheard < 0 {
		return append(dst, wire.PingLine...)
	}
	return wire.AppendPing(dst, t.unheard)
}

// step is one turn: it asks the detectors and sets the time of the next turn.
func (w *watch) step(now, heard time.Time, begun bool) (t turn) {
	w.detector.Heard(heard)
	t.action = w.detector.Step(now)
	t.unheard = -1
	if w.mutual > 0 {
		t.unheard = now.Sub(heard)
		if !now.Before(w.toTell()) {
			t.action = max(t.action, heartbeat.Probe)
		}
	}
	t.suspect = w.detector.State() == heartbeat.StateSuspect
	if !w.greet.IsZero() && !now.Before(w.greet) {
		t.action = max(t.action, heartbeat.Probe)
	}
	if begun {
		w.deadline = time.Time{}
	}
	t.silent = !w.deadline.IsZero() && !now.Before(w.deadline)
	switch {
	case w.worker == nil:
	case heard.After(w.asked):
		w.worker, t.answered = nil, true
	default:
		switch w.worker.Step(now) {
		case heartbeat.Probe:
			t.action = max(t.action, heartbeat.Probe)
		case heartbeat.Dead:
			w.worker, t.suspect = nil, true
		}
	}
	if t.action == heartbeat.Probe {
		w.greet, w.told = time.Time{}, now
	}
	w.turn = w.next()
	return t
}

// toTell returns when the client is to be told that it is not heard.
func (w *watch) toTell() time.Time {
	since := w.detector.LastHeard()
	if w.told.After(since) {
		since = w.told
	}
	return since.Add(w.mutual)
}

// next returns when the next turn is due.
func (w *watch) next() time.Time {
	next := w.detector.Next()
	if w.mutual > 0 {
		if due := w.toTell(); due.Before(next) {
			next = due
		}
	}
	if w.worker != nil && w.worker.Next().Before(next) {
		next = w.worker.Next()
	}
	for _, due := range [...]time.Time{w.greet, w.deadline} {
		if !due.IsZero() && due.Before(next) {
			next = due
		}
	}
	return next
}

// endStale ends a client that does not answer: its read loop wakes and ends the
// stream in order, so that a client which is only mute gets its -ERR.
func (c *client) endStale() {
	c.reasonIs(staleConnection)
	c.sendNow(wire.AppendErr(getBuffer(minBuffer), textStale))
	c.stream.interrupt()
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
