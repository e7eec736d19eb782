package lab

import (
	"sync"
	"time"
)

// record is what one contender experienced, as it tells and as the lab sees it
// receive. Its methods may be called concurrently.
type record struct {
	contender string
	tell      func(text string, good bool)

	mu sync.Mutex
	// got holds the numbers received, with the time of the first and last.
	got map[int]time.Time
	// news is closed and replaced with each message.
	news chan struct{}

	crashed   time.Time // when the host began to vanish; zero before
	returned  time.Time // when the host began to come back; zero before
	last      time.Time // last message before the contender resumed
	lost      time.Time // first loss noticed after the crash
	silence   time.Duration
	cause     string
	connected time.Time // first connection made after the return
	resumed   time.Time // first message after the return

	// windows are the deaf windows that the contender itself reported.
	windows []window
}

type window struct{ from, to time.Time }

func newRecord(contender string, tell func(text string, good bool)) *record {
	return &record{contender: contender, tell: tell, got: make(map[int]time.Time), news: make(chan struct{})}
}

// received counts number n.
func (r *record) received(n int) {
	now := time.Now()
	r.mu.Lock()
	r.got[n] = now
	close(r.news)
	r.news = make(chan struct{})
	first := !r.returned.IsZero() && r.resumed.IsZero() && now.After(r.returned)
	if first {
		r.resumed = now
	}
	if r.resumed.IsZero() {
		r.last = now
	}
	r.mu.Unlock()
	if first {
		r.tell("receives again", true)
	}
}

// noticed is told that the contender gave up a connection. silence is how long
// it had heard nothing by its own account, 0 if it has none.
func (r *record) noticed(cause string, silence time.Duration) {
	r.mu.Lock()
	if !r.crashed.IsZero() && r.lost.IsZero() {
		r.lost, r.cause, r.silence = time.Now(), cause, silence
	}
	r.mu.Unlock()
	r.tell(cause, false)
}

// reconnected is told that the contender stands on a new connection.
func (r *record) reconnected(text string) {
	r.mu.Lock()
	if !r.returned.IsZero() && r.connected.IsZero() {
		r.connected = time.Now()
	}
	r.mu.Unlock()
	r.tell(text, true)
}

// claims adds a deaf window that the contender reports.
func (r *record) claims(from, to time.Time) {
	r.mu.Lock()
	r.windows = append(r.windows, window{from, to})
	r.mu.Unlock()
}

func (r *record) crash(at time.Time)     { r.mu.Lock(); r.crashed = at; r.mu.Unlock() }
func (r *record) comeBack(at time.Time)  { r.mu.Lock(); r.returned = at; r.mu.Unlock() }
func (r *record) isResumed() bool        { r.mu.Lock(); defer r.mu.Unlock(); return !r.resumed.IsZero() }
func (r *record) count() int             { r.mu.Lock(); defer r.mu.Unlock(); return len(r.got) }
func (r *record) arrival() chan struct{} { r.mu.Lock(); defer r.mu.Unlock(); return r.news }

func (r *record) has(n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.got[n]
	return ok
}
