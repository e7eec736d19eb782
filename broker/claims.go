package broker

// claim is what a publisher holds from its first message for a client until it
// sends them: the side of outbox.claims that counts it.
type claim uint8

// claim announces output that is going to be sent with sendClaimed.
func (o *outbox) claim() claim {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.claims[o.side]++
	return o.side
}

// settle waits until all output that was claimed before is sent. Only the
// client's read loop calls it, and it must hold no claim itself: two clients
// could wait for each other.
func (o *outbox) settle() {
	o.mu.Lock()
	if o.claims[o.side] == 0 { // and none on the other side since the last settle
		o.mu.Unlock()
		return
	}
	o.side = 1 - o.side
	settled := make(chan struct{})
	o.settled = settled
	o.mu.Unlock()
	<-settled
}

// claimed reports whether a settle would have to wait.
func (o *outbox) claimed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.claims[o.side] > 0
}

// sendClaimed is send for output that was claimed; b may be empty.
func (o *outbox) sendClaimed(b []byte, c claim) (congested bool) {
	o.mu.Lock()
	if settled := o.unclaimLocked(c); settled != nil {
		defer close(settled)
	}
	return o.sendLocked(b)
}

// unclaimLocked ends a claim and returns what is then to be closed, if anything:
// when what was claimed is on its way, so that what the reader sends then is
// behind it.
func (o *outbox) unclaimLocked(c claim) (settled chan struct{}) {
	o.claims[c]--
	if c != o.side && o.claims[c] == 0 {
		settled, o.settled = o.settled, nil
	}
	return settled
}

// sendShared is sendClaimed for output that stays the sender's.
func (o *outbox) sendShared(b []byte, c claim) (congested bool) {
	o.mu.Lock()
	if settled := o.unclaimLocked(c); settled != nil {
		defer close(settled)
	}
	if o.closed || o.ending || o.writing || len(b) == 0 {
		return o.sendLocked(append(getBuffer(len(b)), b...))
	}
	o.writing = true // nothing waits
	o.mu.Unlock()
	n, err := o.stream.tryWrite(b)
	if err != nil {
		o.fail(writeError)
		return false
	}
	if n < len(b) && !o.queueFirst(append(getBuffer(len(b)-n), b[n:]...), n > 0) {
		return false
	}
	o.writeNow()
	return false
}
