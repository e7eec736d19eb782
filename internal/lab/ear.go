package lab

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"vigil/internal/wire"
)

// earSubject is what a contender publishes to; its name follows.
const earSubject = "lab.from."

// ear hears what contenders publish: what never reaches it was lost.
type ear struct {
	addr    string
	reading sync.WaitGroup

	mu      sync.Mutex
	current *stream
	heard   map[string][]bool // by subject and number
	// failure is why a connection ended that disconnect had not taken away:
	// what was counted is worth nothing then.
	failure error
}

// maxHeard bounds the numbers that an ear believes.
const maxHeard = 1 << 22

// connect dials the broker and listens; its subscription is in effect when it
// returns.
func (e *ear) connect(ctx context.Context) error {
	s, err := dialStream(ctx, e.addr, "SUB "+earSubject+"> 1\r\n")
	if err != nil {
		return fmt.Errorf("lab: ear: %w", err)
	}
	e.mu.Lock()
	e.current = s
	e.mu.Unlock()
	// Owned by the ear; ends when the stream does; close waits for it.
	e.reading.Go(func() { e.read(s) })
	return nil
}

func (e *ear) read(s *stream) {
	var op wire.Op
	for {
		if err := s.next(&op); err != nil {
			_ = s.conn.Close()
			e.mu.Lock()
			if e.current == s {
				e.current, e.failure = nil, err
			}
			e.mu.Unlock()
			return
		}
		if op.Kind != wire.Msg {
			continue
		}
		if n, ok := numberIn(op.Payload()); ok && n < maxHeard {
			e.mu.Lock()
			e.add(strings.TrimPrefix(string(op.Subject), earSubject), n)
			e.mu.Unlock()
		}
	}
}

// add marks number n of a contender. e.mu is held.
func (e *ear) add(name string, n int) {
	if e.heard == nil {
		e.heard = make(map[string][]bool)
	}
	heard := e.heard[name]
	for len(heard) <= n {
		heard = append(heard, false)
	}
	heard[n] = true
	e.heard[name] = heard
}

// missing returns how many of a contender's first n messages were never heard,
// or why nobody can say.
func (e *ear) missing(name string, n int) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failure != nil {
		return 0, fmt.Errorf("lab: ear: lost the broker: %w", e.failure)
	}
	for _, heard := range e.heard[name][:min(n, len(e.heard[name]))] {
		if heard {
			n--
		}
	}
	return n, nil
}

// disconnect closes the stream: nothing is heard until the next connect.
func (e *ear) disconnect() {
	e.mu.Lock()
	s := e.current
	e.current = nil
	e.mu.Unlock()
	if s != nil {
		_ = s.conn.Close()
	}
}

// close disconnects and waits.
func (e *ear) close() { e.disconnect(); e.reading.Wait() }
