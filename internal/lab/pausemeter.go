package lab

import (
	"slices"
	"sync"
	"time"
)

// pauseMeter watches for how long the process it is in gets no processor: its
// ticks come late then. Its methods may be called concurrently.
type pauseMeter struct {
	stop chan struct{}
	done sync.WaitGroup

	mu     sync.Mutex
	pauses []pause // guarded by mu: the last ones
}

type pause struct {
	end    time.Time
	length time.Duration
}

const (
	// meterTick is how often the meter looks.
	meterTick = 20 * time.Millisecond
	// pauseMatters is the shortest pause that is kept.
	pauseMatters = 50 * time.Millisecond
	// pauseWindow is how far back pauses concern a verdict.
	pauseWindow = 5 * time.Second
	// mostPauses bounds what is kept.
	mostPauses = 64
)

func newPauseMeter() *pauseMeter {
	m := &pauseMeter{stop: make(chan struct{})}
	// Owned by the meter; ends with close, which waits for it.
	m.done.Go(m.run)
	return m
}

func (m *pauseMeter) run() {
	ticker := time.NewTicker(meterTick)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-m.stop:
			return
		case <-ticker.C:
		}
		now := time.Now()
		m.note(now, now.Sub(last)-meterTick)
		last = now
	}
}

// note keeps a pause that ended now, if it matters.
func (m *pauseMeter) note(now time.Time, length time.Duration) {
	if length < pauseMatters {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pauses = append(m.pauses, pause{now, length})
	if len(m.pauses) > mostPauses {
		m.pauses = slices.Delete(m.pauses, 0, 1)
	}
}

// within returns how many pauses ended within the last d, and their length.
func (m *pauseMeter) within(d time.Duration) (n int, length time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.pauses {
		if time.Since(p.end) <= d {
			n++
			length += p.length
		}
	}
	return n, length
}

func (m *pauseMeter) close() { close(m.stop); m.done.Wait() }
