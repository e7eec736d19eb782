package bench

import (
	"bytes"
	"fmt"
)

// readSize is what subscribers read with, in bytes.
const readSize = 256 << 10

// maxControl bounds an operation that is no delivery, in bytes.
const maxControl = 64 << 10

// receiver reads a connection and checks what comes. It is used by one
// goroutine.
type receiver struct {
	c       *conn
	dialect dialect
	check   checker

	buf  []byte
	have int // bytes of buf that were read and not taken
}

// newReceiver takes over a connection, and checks what was read of it already:
// operations that newcomers are sent, but no delivery, since nothing is
// published before everyone has subscribed.
func newReceiver(c *conn, d dialect, check checker) (*receiver, error) {
	r := &receiver{c: c, dialect: d, check: check, buf: make([]byte, readSize)}
	ahead, err := c.lines.Peek(c.lines.Buffered())
	if err != nil {
		return nil, err
	}
	r.have = copy(r.buf, ahead)
	_, err = r.take()
	return r, err
}

// read reads once and returns how many deliveries that completed.
func (r *receiver) read() (deliveries int64, err error) {
	n, err := r.c.Read(r.buf[r.have:])
	if err != nil {
		return 0, noEOF(err)
	}
	r.have += n
	return r.take()
}

// take checks what was read and keeps what is incomplete.
func (r *receiver) take() (deliveries int64, err error) {
	before := r.check.frames()
	used := 0
	for used < r.have {
		n, err := r.check.take(r.buf[used:r.have])
		if err != nil {
			return 0, err
		}
		used += n
		if used == r.have || r.buf[used] == r.check.first() {
			break
		}
		n, err = r.other(r.buf[used:r.have])
		if err != nil {
			return 0, err
		}
		if n == 0 {
			break
		}
		used += n
	}
	r.have = copy(r.buf, r.buf[used:r.have])
	return r.check.frames() - before, nil
}

// other deals with an operation that is no delivery, and returns its length: 0
// if it is incomplete.
func (r *receiver) other(b []byte) (n int, err error) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		if len(b) > maxControl {
			return 0, fmt.Errorf("a line without end: %q", clip(b))
		}
		return 0, nil
	}
	answer, err := r.dialect.control(b[:end+1])
	if err != nil {
		return 0, err
	}
	if answer != "" {
		// A publisher may be writing, too; net.Conn keeps writes apart.
		err = r.c.say(answer)
	}
	return end + 1, err
}
