package lab

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"vigil/internal/fault"
	"vigil/internal/wire"
)

// MemberCommand is the hidden command of the lab's own program that is a member
// of a queue group, in a child process: its argument is the broker's address.
const MemberCommand = "member"

// workers is the queue group.
const workers = "workers"

// Member takes its share of a queue group's work until the broker ends the
// connection or the process loses its parent. It writes a line to ready once
// its subscription is in effect, and then a line with the number of each message
// to done: what has been written there was handled.
//
// It is a bare TCP connection that answers PINGs: nothing in it notices or hides
// what the broker does.
func Member(ctx context.Context, addr string, ready, done io.Writer) error {
	fault.ExitWithParent()
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	s, err := dialStream(starting, addr, "SUB "+subject+" "+workers+" 1\r\n")
	if err != nil {
		return fmt.Errorf("lab: member: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	defer stop()
	if _, err := fmt.Fprintln(ready, "ready"); err != nil {
		return fmt.Errorf("lab: member: tell: %w", err)
	}
	var op wire.Op
	var line []byte
	for {
		if err := s.next(&op); err != nil {
			return fmt.Errorf("lab: member: %w", err)
		}
		if op.Kind != wire.Msg {
			continue
		}
		line = append(append(line[:0], op.Payload()...), '\n')
		if _, err := done.Write(line); err != nil {
			return fmt.Errorf("lab: member: tell: %w", err)
		}
	}
}

// crew is the queue group as the lab sees it: what its members say they did.
type crew struct {
	mu   sync.Mutex
	did  map[int]int   // guarded by mu: how often each number was handled
	each []int         // guarded by mu: how much each member did
	news chan struct{} // guarded by mu: closed and replaced with each piece of work
	said []string      // guarded by mu: what members said besides numbers
}

func newCrew(members int) *crew {
	return &crew{did: make(map[int]int), each: make([]int, members), news: make(chan struct{})}
}

// report is where member k tells what it did. It is written to by one goroutine.
func (c *crew) report(k int) io.Writer { return &reportWriter{crew: c, member: k} }

type reportWriter struct {
	crew   *crew
	member int
	rest   string // an unfinished line
}

// Write implements io.Writer.
func (w *reportWriter) Write(b []byte) (int, error) {
	lines := strings.Split(w.rest+string(b), "\n")
	w.rest = lines[len(lines)-1]
	w.crew.mu.Lock()
	defer w.crew.mu.Unlock()
	for _, line := range lines[:len(lines)-1] {
		n, err := strconv.Atoi(line)
		if err != nil {
			w.crew.said = append(w.crew.said, line)
			continue
		}
		w.crew.did[n]++
		w.crew.each[w.member]++
	}
	close(w.crew.news)
	w.crew.news = make(chan struct{})
	return len(b), nil
}

// awaitAll waits until every member has done something.
func (c *crew) awaitAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		c.mu.Lock()
		news, idle := c.news, 0
		for _, n := range c.each {
			if n == 0 {
				idle++
			}
		}
		said := strings.Join(c.said, "; ")
		c.mu.Unlock()
		if said != "" {
			return fmt.Errorf("a member said: %s", said)
		}
		if idle == 0 {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("%d members of the group have no work: %w", idle, context.Cause(ctx))
		}
	}
}

// lost returns those of the numbers taken that no member handled, and how many
// were handled more than once.
func (c *crew) lost(taken []number) (lost []number, twice int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range taken {
		switch n := c.did[t.n]; {
		case n == 0:
			lost = append(lost, t)
		case n > 1:
			twice++
		}
	}
	return lost, twice
}

// settle waits until nothing has been done for a while: what is on its way to a
// healthy member has arrived then.
func (c *crew) settle(ctx context.Context) error {
	const quiet = 500 * time.Millisecond
	for {
		c.mu.Lock()
		news := c.news
		c.mu.Unlock()
		timer := time.NewTimer(quiet)
		select {
		case <-news:
			timer.Stop()
		case <-timer.C:
			return nil
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}
