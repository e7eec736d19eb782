package subscriber

import (
	"vigil/internal/link"
	"vigil/internal/wire"
)

// consumer is one loop over a subscription's messages. Its methods are for one
// goroutine.
type consumer struct {
	// Fixed after construction.
	p     *pending
	link  *link.Link
	reuse bool // hand out the queue's memory, not copies

	idle  bool   // it waits for a message
	block *block // of the message that it has not handled, nil for none
	index int    // of the message in block

	subject string // of the last message: most have the same as the one before
	msg     Msg    // handed out with reuse
	slab    slab   // of those handed out without
}

// take says that the message taken before is handled, and takes the oldest that
// waits. Without one it says whether none will come, and why; if some may, the
// consumer shall wait for ready and take again.
func (c *consumer) take() (ok, ended bool, err error) {
	p := c.p
	p.mu.Lock()
	defer p.mu.Unlock()
	c.rest()
	for p.messages > 0 {
		b, i := p.pop()
		if p.isRepeat(b, i) {
			p.counts.repeats++
			b.release()
			continue
		}
		if p.idle > 0 && p.messages > 0 {
			signal(p.ready)
		}
		c.block, c.index = b, i
		p.busy++
		p.counts.delivered++
		return true, false, nil
	}
	p.finish()
	c.slab = slab{} // who waits keeps nothing
	if !p.ending {
		c.idle = true
		p.idle++
	}
	return false, p.ending, p.err
}

// open returns the message that was taken last.
func (c *consumer) open() *Msg {
	subject, reply, header, data := c.block.parts(c.index)
	if string(subject) != c.subject {
		c.subject = string(subject)
	}
	m := &c.msg
	if c.reuse {
		*m = Msg{Data: data}
	} else {
		m = c.slab.msg()
		m.Data = data
		if !c.block.entries[c.index].isLarge {
			m.Data = c.slab.copy(data)
		}
	}
	m.Subject = c.subject
	if len(reply) > 0 {
		m.Reply, m.link = string(reply), c.link
	}
	if len(header) > 0 {
		h, status, err := wire.ParseHeader(header)
		m.Status, m.HeaderErr = status.Code, err
		if len(h) > 0 {
			m.Header = h
		}
	}
	return m
}

// rest notes that the consumer neither handles a message nor waits. mu is held.
func (c *consumer) rest() {
	if c.block != nil {
		c.block.release()
		c.block = nil
		c.p.busy--
	}
	if c.idle {
		c.idle = false
		c.p.idle--
	}
}

// stop says that the consumer takes no more. What it took last counts as
// handled. A token that was meant for it goes to another consumer.
func (c *consumer) stop() {
	p := c.p
	p.mu.Lock()
	defer p.mu.Unlock()
	c.rest()
	p.finish()
	if p.idle > 0 && (p.ending || p.messages > 0) {
		signal(p.ready)
	}
}

// giveBack says that the message taken last was not handled. It will be the next
// to be taken.
func (c *consumer) giveBack() {
	p := c.p
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.delivered--
	p.queue.pushFront(span{c.block, c.index, c.index + 1})
	p.messages++
	p.bytes += c.block.entries[c.index].cost()
	c.block.left++
}

// slab allocates the messages that are their receivers' own, several at once,
// since an allocation each would cost more than everything else that is done for
// a message. It grows while messages wait, so that a single one has no more
// memory than it needs.
type slab struct {
	msgs                []Msg
	bytes               []byte
	nextMsgs, nextBytes int // what was allocated last had room for
}

const (
	maxSlabMessages = 32
	maxSlabBytes    = 10 << 10
)

// msg returns a zero message.
func (s *slab) msg() *Msg {
	if len(s.msgs) == 0 {
		s.nextMsgs = min(max(2*s.nextMsgs, 1), maxSlabMessages)
		s.msgs = make([]Msg, s.nextMsgs)
	}
	m := &s.msgs[0]
	s.msgs = s.msgs[1:]
	return m
}

// copy returns a copy that has no room to grow, so that who appends to it harms
// no neighbour.
func (s *slab) copy(data []byte) []byte {
	n := len(data)
	if n > len(s.bytes) {
		s.nextBytes = max(min(2*s.nextBytes, maxSlabBytes), n)
		s.bytes = make([]byte, s.nextBytes)
	}
	own := s.bytes[:n:n]
	s.bytes = s.bytes[n:]
	copy(own, data)
	return own
}
