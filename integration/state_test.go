package integration_test

import (
	"context"
	"sync"
	"testing"
	"time"
)

// patience bounds the wait for what must happen. How soon something happened
// is judged by its own figures, never by this.
const patience = 40 * time.Second

// state is memory whose changes can be waited for. The zero value is ready.
type state struct {
	mu      sync.Mutex
	changed chan struct{} // guarded by mu; nil if nobody waits
}

// change runs f under the lock and wakes whoever waits.
func (s *state) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// look runs f under the lock.
func (s *state) look(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// wait waits until met, called under the lock, returns true. It returns false
// if ctx ends first.
func (s *state) wait(ctx context.Context, met func() bool) bool {
	for {
		s.mu.Lock()
		ok := met()
		if !ok && s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// reached is wait for as long as a test has patience.
func (s *state) reached(t *testing.T, met func() bool) bool {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return s.wait(ctx, met)
}

// eventually waits for what announces itself by no event, such as the end of a
// process that is nobody's child.
func eventually(t *testing.T, what string, met func() bool) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !met() {
		select {
		case <-look.C:
		case <-timeout.C:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// meter measures how long this process was kept from running, so that a
// verdict can be excused by a machine that gave no CPU, and by nothing else.
type meter struct {
	mu     sync.Mutex
	pauses []pause // guarded by mu
}

type pause struct {
	end  time.Time
	long time.Duration
}

// starvation is the meter of this process.
var starvation meter

const (
	// beat is how often the meter wakes up.
	beat = 10 * time.Millisecond
	// worthNoting is the lateness from which a pause is kept.
	worthNoting = 30 * time.Millisecond
)

// run starts the meter and returns what stops it.
func (m *meter) run() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	// Owned by the process's tests; ends with stop, which waits for it.
	go func() {
		defer close(ended)
		tick := time.NewTicker(beat)
		defer tick.Stop()
		last := time.Now()
		for {
			select {
			case <-tick.C:
			case <-done:
				return
			}
			now := time.Now()
			if long := now.Sub(last) - beat; long > worthNoting {
				m.mu.Lock()
				m.pauses = append(m.pauses, pause{now, long})
				m.mu.Unlock()
			}
			last = now
		}
	}()
	return func() { close(done); <-ended }
}

// between adds up the pauses that touch the span.
func (m *meter) between(from, to time.Time) (sum time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.pauses {
		if p.end.After(from) && p.end.Add(-p.long).Before(to) {
			sum += p.long
		}
	}
	return sum
}
