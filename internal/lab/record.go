package lab

import (
	"sync"
	"time"
)

// record is what one contender experienced, as it tells and as the lab sees it
// receive. Its methods may be called concurrently.
type record struct {
	contender string
	say       func(text string, good bool)

	mu sync.Mutex
	// got holds the numbers received.
	got map[int]bool
	// news is closed and replaced with each message.
	news chan struct{}

	crashed   time.Time // when the host began to vanish; zero before
	returned  time.Time // when the host began to come back; zero before
	fresh     int       // the first number that a new broker can have taken
	last      time.Time // last message before the contender resumed
	lost      time.Time // when the loss was noticed
	loss      loss      // the first one noticed after the crash
	connected time.Time // first connection made after the return
	resumed   time.Time // first message of the new broker

	// windows are the deaf windows that the contender itself reported.
	windows []window
}

type window struct{ from, to time.Time }

func newRecord(contender string, say func(text string, good bool)) *record {
	return &record{contender: contender, say: say, got: make(map[int]bool), news: make(chan struct{})}
}

// received counts number n.
func (r *record) received(n int) {
	now := time.Now()
	r.mu.Lock()
	r.got[n] = true
	close(r.news)
	r.news = make(chan struct{})
	first := !r.returned.IsZero() && r.resumed.IsZero() && n >= r.fresh
	if first {
		r.resumed = now
	}
	if r.resumed.IsZero() {
		r.last = now
	}
	r.mu.Unlock()
	if first {
		r.say("receives again", true)
	}
}

// noticed is told that the contender gave up a connection.
func (r *record) noticed(l loss) {
	r.mu.Lock()
	if !r.crashed.IsZero() && r.lost.IsZero() {
		r.lost, r.loss = time.Now(), l
	}
	r.mu.Unlock()
	r.say(l.cause, false)
}

// reconnected is told that the contender stands on a new connection.
func (r *record) reconnected(text string) {
	r.mu.Lock()
	if !r.returned.IsZero() && r.connected.IsZero() {
		r.connected = time.Now()
	}
	r.mu.Unlock()
	r.say(text, true)
}

// claims adds a deaf window that the contender reports.
func (r *record) claims(from, to time.Time) {
	r.mu.Lock()
	r.windows = append(r.windows, window{from, to})
	r.mu.Unlock()
}

// remark passes on what is worth a line and no event.
func (r *record) remark(text string, good bool) { r.say(text, good) }

// comeBack is told that the host begins to come back; numbers from fresh on can
// only come from the new broker.
func (r *record) comeBack(at time.Time, fresh int) {
	r.mu.Lock()
	r.returned, r.fresh = at, fresh
	r.mu.Unlock()
}

func (r *record) crash(at time.Time)     { r.mu.Lock(); r.crashed = at; r.mu.Unlock() }
func (r *record) isResumed() bool        { r.mu.Lock(); defer r.mu.Unlock(); return !r.resumed.IsZero() }
func (r *record) count() int             { r.mu.Lock(); defer r.mu.Unlock(); return len(r.got) }
func (r *record) arrival() chan struct{} { r.mu.Lock(); defer r.mu.Unlock(); return r.news }

func (r *record) has(n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got[n]
}
