package broker

import "time"

// progressedLocked notes that the stream has taken something and more waits.
func (o *outbox) progressedLocked(now time.Time) {
	if !o.progressed.IsZero() {
		o.gap = max(now.Sub(o.progressed), o.gap-o.gap/8)
	}
	o.progressed = now
}

// writeNow writes what is queued without waiting. The caller has set writing.
func (o *outbox) writeNow() {
	for n := 0; ; n++ {
		b, ok := o.next()
		if !ok {
			return
		}
		if n < burst {
			taken, err := o.stream.tryWrite(b)
			if err != nil {
				o.fail(writeError)
				return
			}
			o.wrote(taken)
			if taken == len(b) {
				continue
			}
		}
		if o.park(n >= burst) {
			o.account.check()
			return
		}
		n = 0
	}
}

// park leaves the writing to whom the stream calls, now or when it can take
// something; or to a writer goroutine. It reports false if the stream has called
// while the caller wrote, who then goes on.
func (o *outbox) park(now bool) bool {
	o.mu.Lock()
	o.chargeLocked()
	if o.closed {
		o.mu.Unlock()
		return true
	}
	o.boundLocked()
	called := o.called
	o.called = false
	if called && !now {
		o.mu.Unlock()
		return false
	}
	o.parked = o.calls
	o.mu.Unlock()
	if o.calls {
		o.stream.callWritable(now)
	} else {
		o.spawn(o.writeLoop)
	}
	return true
}

// writable is called by the stream when it can take something.
func (o *outbox) writable() {
	o.mu.Lock()
	if !o.parked {
		o.called = o.writing
		o.mu.Unlock()
		return
	}
	o.parked = false
	o.mu.Unlock()
	o.writeNow()
}

// parkedNow reports whether writing is left to whom the stream calls.
func (o *outbox) parkedNow() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.parked
}

// boundLocked has somebody look, when the deadline has passed, whether the stream
// has taken something.
func (o *outbox) boundLocked() {
	if o.pending == 0 {
		return
	}
	if o.progressed.IsZero() {
		o.progressed = time.Now()
	}
	if o.overdue == nil {
		o.overdue = time.AfterFunc(o.deadline, o.judge)
	}
}

// judge fails a stream that has taken nothing for the deadline.
func (o *outbox) judge() {
	o.mu.Lock()
	if o.closed || o.pending == 0 && !o.writing {
		o.overdue = nil
		o.mu.Unlock()
		return
	}
	if o.progressed.IsZero() {
		o.progressed = time.Now()
	}
	left := o.deadline - time.Since(o.progressed)
	if o.pending == 0 { // but somebody is about to write more
		left = o.deadline
	}
	if left > 0 {
		o.overdue.Reset(left)
		o.mu.Unlock()
		return
	}
	o.mu.Unlock()
	o.fail(slowDeadline)
}

// writeLoop is the writer goroutine. It belongs to the client, ends when the
// queue is empty or the stream fails, and Shutdown waits for it.
func (o *outbox) writeLoop() {
	for {
		b, ok := o.next()
		if !ok {
			return
		}
		n, err := o.stream.write(b)
		o.wrote(n)
		if err != nil {
			o.fail(writeError)
			return
		}
	}
}

// next returns what is to be written next. When there is nothing it gives up
// the right to write.
func (o *outbox) next() ([]byte, bool) {
	o.mu.Lock()
	if len(o.queue) > 0 && !o.closed {
		b := o.queue[0][o.sent:]
		o.mu.Unlock()
		return b, true
	}
	o.writing, o.called = false, false
	o.endLocked()
	return nil, false
}

// wrote counts n bytes that the stream took.
func (o *outbox) wrote(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || n == 0 {
		return
	}
	o.pending -= n
	o.sent += n
	if o.sent == len(o.queue[0]) {
		o.held -= cap(o.queue[0])
		putBuffer(o.queue[0])
		o.queue[0] = nil
		o.queue = o.queue[1:]
		o.sent = 0
	}
	if o.pending == 0 {
		// A queue that had grown out of inline left copies there.
		o.inline = [2][]byte{}
		o.queue = o.inline[:0]
	} else {
		o.progressedLocked(time.Now())
	}
	if o.charged > 0 {
		o.chargeLocked()
	}
	if o.drained != nil && o.pending < o.resume {
		close(o.drained)
		o.drained = nil
	}
}
