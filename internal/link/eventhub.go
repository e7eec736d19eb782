package link

import (
	"context"
	"iter"
	"slices"
	"sync"
)

// maxQueuedEvents bounds what waits for one consumer of events. A minute of
// failing attempts fits several times.
const maxQueuedEvents = 256

// eventHub hands every event to every consumer, in one order, without ever
// waiting for one.
type eventHub struct {
	mu sync.Mutex

	// Guarded by mu.
	consumers []*eventQueue
	closed    bool
}

// eventQueue is one consumer's bounded queue. The oldest event gives way: the
// newest says how things are.
type eventQueue struct {
	ready chan struct{} // holds a token when something changed

	// Guarded by the hub's mu.
	events []Event
	missed int
	ended  bool
	busy   bool // the consumer is handling an event
}

// add returns a queue that gets every event from now on.
func (h *eventHub) add() *eventQueue {
	q := &eventQueue{ready: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		q.ended = true
		return q
	}
	h.consumers = append(h.consumers, q)
	return q
}

// remove takes q's consumer away.
func (h *eventHub) remove(q *eventQueue) {
	h.mu.Lock()
	defer h.mu.Unlock()
	q.ended = true
	h.consumers = slices.DeleteFunc(h.consumers, func(c *eventQueue) bool { return c == q })
}

// emit queues an event for all. After Closed nothing follows.
func (h *eventHub) emit(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.closed = e.Kind == EventClosed
	for _, q := range h.consumers {
		if len(q.events) == maxQueuedEvents {
			q.events = slices.Delete(q.events, 0, 1)
			q.missed++
		}
		if len(e.AtRisk) > 0 { // those of one loss are bounded, those of many are not
			for i := range q.events {
				q.events[i].AtRisk = nil
			}
		}
		q.events = append(q.events, e)
		q.ended = h.closed
		select {
		case q.ready <- struct{}{}:
		default:
		}
	}
}

// take returns the oldest event, or whether there will be none any more. The
// consumer is busy from an event taken until its next call.
func (h *eventHub) take(q *eventQueue) (e Event, ok, ended bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	q.busy = len(q.events) > 0
	if !q.busy {
		return Event{}, false, q.ended
	}
	e = q.events[0]
	q.events = slices.Delete(q.events, 0, 1)
	e.Missed, q.missed = q.missed, 0
	return e, true, false
}

// isBusy reports whether q's consumer is handling an event.
func (h *eventHub) isBusy(q *eventQueue) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return q.busy
}

// each yields the events of q until ctx ends, Closed was yielded or yield
// returns false.
func (h *eventHub) each(ctx context.Context, q *eventQueue, yield func(Event) bool) {
	defer h.remove(q)
	for {
		e, ok, ended := h.take(q)
		switch {
		case ok:
			if !yield(e) {
				return
			}
			continue
		case ended:
			return
		}
		select {
		case <-q.ready:
		case <-ctx.Done():
			return
		}
	}
}

// seq returns the events from now on.
func (h *eventHub) seq(ctx context.Context) iter.Seq[Event] {
	q := h.add()
	return func(yield func(Event) bool) { h.each(ctx, q, yield) }
}
