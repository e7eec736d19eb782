package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// diary is what a contender in a process of its own has reported. It is written
// to by one goroutine; its methods may be called concurrently.
type diary struct {
	mu     sync.Mutex
	events []event       // guarded by mu
	said   []string      // guarded by mu: the last lines that are no events
	rest   []byte        // guarded by mu: an unfinished line
	news   chan struct{} // guarded by mu: closed and replaced when events come
}

func newDiary() *diary { return &diary{news: make(chan struct{})} }

// maxSaid bounds the lines kept that are no events.
const maxSaid = 8

// maxLine bounds an unfinished line.
const maxLine = 64 << 10

// Write implements io.Writer for a contender's standard error.
func (d *diary) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rest = append(d.rest, b...)
	for {
		line, rest, whole := bytes.Cut(d.rest, []byte("\n"))
		if !whole {
			break
		}
		d.read(line)
		d.rest = rest
	}
	d.rest = bytes.Clone(d.rest)
	if len(d.rest) > maxLine {
		d.rest = nil
	}
	close(d.news)
	d.news = make(chan struct{})
	return len(b), nil
}

// read takes a line. d.mu is held.
func (d *diary) read(line []byte) {
	var e event
	if json.Unmarshal(line, &e) == nil && e.Kind != "" {
		d.events = append(d.events, e)
		return
	}
	d.said = append(d.said, string(line))
	if len(d.said) > maxSaid {
		d.said = d.said[1:]
	}
}

// all returns the events so far.
func (d *diary) all() []event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.events[:len(d.events):len(d.events)]
}

// words returns what was said besides events.
func (d *diary) words() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.said, "; ")
}

// await waits until there is an event of that kind at or behind a time, and
// reports false if ctx ended first.
func (d *diary) await(ctx context.Context, kind eventKind, from time.Time) bool {
	return d.awaitThat(ctx, func(e event) bool { return e.Kind == kind && (from.IsZero() || e.At >= from.UnixNano()) })
}

// awaitNumber waits until number n was received, or ctx ends.
func (d *diary) awaitNumber(ctx context.Context, n int) {
	d.awaitThat(ctx, func(e event) bool { return e.Kind == eventReceived && e.N == n })
}

// awaitThat waits for an event, and reports false if ctx ended first.
func (d *diary) awaitThat(ctx context.Context, is func(event) bool) bool {
	for seen := 0; ; {
		d.mu.Lock()
		events, news := d.events, d.news
		d.mu.Unlock()
		if slices.ContainsFunc(events[seen:], is) {
			return true
		}
		seen = len(events)
		select {
		case <-news:
		case <-ctx.Done():
			return false
		}
	}
}

// awaitFirst waits until the contender has received something.
func (d *diary) awaitFirst(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if d.await(ctx, eventReceived, time.Time{}) {
		return nil
	}
	return fmt.Errorf("received nothing before the fault: %w; it said: %q", context.Cause(ctx), d.words())
}
