package broker

import "time"

// markLocked returns what may wait before publishers are held back.
func (o *outbox) markLocked() int {
	if o.account.pressed() {
		return min(o.mark, pressed)
	}
	return o.mark
}

// moving reports whether the stream has taken something lately.
func (o *outbox) moving(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pending > 0 && !o.progressed.IsZero() && now.Sub(o.progressed) < stuckAfter
}

// stuckLocked reports whether the stream has taken nothing for so long that
// nobody should wait for it: for twice as long as it is known to pause between
// taking something. One that drains slowly does so in steps, since its kernel
// opens the window when there is room for many segments.
func (o *outbox) stuckLocked() bool {
	now := time.Now()
	if o.progressed.IsZero() {
		o.progressed = now
	}
	return now.Sub(o.progressed) > min(max(2*o.gap, stuckAfter), maxPatience)
}

// drainedOrClosed returns a channel that is closed when the client is no longer
// congested.
func (o *outbox) drainedOrClosed() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	resume := o.markLocked() / 2
	if o.closed || o.pending < resume {
		return closedChannel
	}
	if o.drained == nil {
		o.drained = make(chan struct{})
		o.resume = resume
	}
	return o.drained
}

var closedChannel = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
