package link

import "vigil/internal/wire"

// readSize is how much is read at once by a connection on which much comes, and
// firstRead by one that is idle, of which a process may have many thousands.
const (
	readSize  = 64 << 10
	firstRead = 4 << 10
)

// shrinkAbove is the size of the buffer above which it is replaced by a small
// one as soon as a large message has been handled.
const shrinkAbove = 1 << 20

// inbox is the bytes that came and were not parsed yet. It grows with what has
// really arrived, never with what was announced, and no further than the
// parser's limits.
type inbox struct {
	parser     wire.Parser
	op         wire.Op // the operation parsed last
	buf        []byte
	start, end int
	filled     bool // the last read took all the room
}

func (b *inbox) init() {
	b.parser = wire.Parser{Side: wire.FromBroker, MaxControlLine: maxControlLine, MaxPayload: maxInbound}
	b.buf = make([]byte, firstRead)
}

// next parses the next operation; false means that more bytes are needed. What
// op points to is valid until room is called.
func (b *inbox) next(op *wire.Op) (bool, error) {
	for b.start < b.end {
		n, err := b.parser.Next(b.buf[b.start:b.end], op)
		if err != nil {
			return false, err
		}
		if n == 0 {
			return false, nil
		}
		b.start += n
		if op.Kind != wire.None {
			return true, nil
		}
	}
	return false, nil
}

// room returns where to read to. It moves an operation that is incomplete to
// the front, doubles the buffer for one that fills it, and takes one of readSize
// when a read has filled a small one.
func (b *inbox) room() []byte {
	rest := b.end - b.start
	switch {
	case rest == 0 && len(b.buf) > shrinkAbove:
		b.buf = make([]byte, readSize)
	case rest == len(b.buf), b.filled && len(b.buf) < readSize:
		larger := make([]byte, max(2*len(b.buf), readSize))
		copy(larger, b.buf[b.start:b.end])
		b.buf = larger
	case b.start > 0:
		copy(b.buf, b.buf[b.start:b.end])
	}
	b.start, b.end = 0, rest
	return b.buf[rest:]
}

// empty reports whether everything that came was parsed.
func (b *inbox) empty() bool { return b.start == b.end }

// got notes that n bytes were read to where room said.
func (b *inbox) got(n int) {
	b.end += n
	b.filled = b.end == len(b.buf)
}
