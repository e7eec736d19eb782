package subscriber

import (
	"sync"

	"vigil/internal/wire"
)

// block is memory for messages that wait, as they came: it holds no pointers, and
// it is used again when all of them were handled, so that a queue is nothing to
// the garbage collector however much it holds and however much goes through it.
//
// Blocks have four sizes. A read begins with the smallest and takes larger ones
// while it brings more messages, so that what waits has no more than some times
// the memory that it needs.
type block struct {
	// Fixed after construction.
	size int // index of blocks

	// Written by the connection's reader before the block is queued.
	entries []entry
	bytes   []byte   // of entries that are not large
	large   [][]byte // of those that are

	// left counts the entries that are not handled, and the reader while it
	// fills the block. Guarded by the lock of the queue.
	left int
}

// entry is a message: its subject, reply, header block and data, one behind the
// other, of these lengths.
type entry struct {
	subject, reply, header, data uint32

	// at is where they begin in bytes, or, if isLarge, their index in large.
	at      uint32
	isLarge bool
}

// len is the length of all.
func (e *entry) len() int { return int(e.subject) + int(e.reply) + int(e.header) + int(e.data) }

// entryOverhead is what a message is counted with beside its bytes.
const entryOverhead = 128

// cost is what the message is counted with.
func (e *entry) cost() int { return entryOverhead + e.len() }

const (
	// blockSizes is how many sizes there are. The smallest is for one message,
	// and each is for four times as many as the one before.
	blockSizes = 4
	// entryBytes is what a block has for each message.
	entryBytes = 256
)

// blocks are those that are not in use, by their size.
var blocks [blockSizes]sync.Pool

func newBlock(size int) *block {
	b, _ := blocks[size].Get().(*block)
	if b == nil {
		n := 1 << (2 * size)
		b = &block{size: size, entries: make([]entry, 0, n), bytes: make([]byte, 0, n*entryBytes)}
	}
	b.left = 1
	return b
}

// release says that one less needs the block. The queue's lock is held.
func (b *block) release() {
	if b.left--; b.left > 0 {
		return
	}
	b.entries, b.bytes, b.large = b.entries[:0], b.bytes[:0], nil
	blocks[b.size].Put(b)
}

// add copies a message, whose memory the reader will use again. It reports false
// if that takes another block. A message that would take a good part of the block
// has memory of its own.
func (b *block) add(op *wire.Op) bool {
	body := op.Frame[:len(op.Frame)-len("\r\n")]
	e := entry{
		subject: uint32(len(op.Subject)), reply: uint32(len(op.Reply)),
		header: uint32(op.HeaderLen), data: uint32(len(body) - op.HeaderLen),
	}
	n := e.len()
	e.isLarge = n > cap(b.bytes)-len(b.bytes)
	if len(b.entries) == cap(b.entries) || e.isLarge && n <= cap(b.bytes)/4 {
		return false
	}
	if e.isLarge {
		e.at = uint32(len(b.large))
		b.large = append(b.large, appendMessage(make([]byte, 0, n), op, body))
	} else {
		e.at = uint32(len(b.bytes))
		b.bytes = appendMessage(b.bytes, op, body)
	}
	b.entries = append(b.entries, e)
	return true
}

func appendMessage(dst []byte, op *wire.Op, body []byte) []byte {
	return append(append(append(dst, op.Subject...), op.Reply...), body...)
}

// parts returns a message. None has room to grow, so that who appends to it harms
// no neighbour.
func (b *block) parts(i int) (subject, reply, header, data []byte) {
	e := &b.entries[i]
	all := b.bytes
	if e.isLarge {
		all = b.large[e.at]
	} else {
		all = all[e.at:]
	}
	cut := func(n uint32) []byte {
		part := all[:n:n]
		all = all[n:]
		return part
	}
	return cut(e.subject), cut(e.reply), cut(e.header), cut(e.data)
}

// span is the messages of a block from one index on, before another.
type span struct {
	block    *block
	from, to int
}

// spans is a queue of them that uses its memory again. The zero value is empty.
type spans struct {
	all  []span
	head int
}

func (q *spans) isEmpty() bool { return q.head == len(q.all) }

// push adds the newest.
func (q *spans) push(s span) {
	if q.head > 0 && len(q.all) == cap(q.all) && q.head >= len(q.all)/2 {
		n := copy(q.all, q.all[q.head:])
		clear(q.all[n:])
		q.all, q.head = q.all[:n], 0
	}
	q.all = append(q.all, s)
}

// pushFront adds what is to be popped first.
func (q *spans) pushFront(s span) {
	if q.head == 0 {
		q.all = append([]span{{}}, q.all...)
		q.head = 1
	}
	q.head--
	q.all[q.head] = s
}

// maxKept is how long a slice may be for its memory to be used again.
const maxKept = 1024

// pop takes the oldest message; there must be one.
func (q *spans) pop() (b *block, i int) {
	s := &q.all[q.head]
	b, i = s.block, s.from
	if s.from++; s.from == s.to {
		*s = span{}
		q.head++
		if q.isEmpty() {
			q.all, q.head = emptied(q.all), 0
		}
	}
	return b, i
}

// emptied returns s without elements, ready to be filled again.
func emptied[T any](s []T) []T {
	if cap(s) > maxKept {
		return nil
	}
	clear(s)
	return s[:0]
}
