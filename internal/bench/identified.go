package bench

import (
	"bytes"
	"fmt"
	"strings"
)

// identified is the checker of what a client publishes that gives every message
// an id of its own: all else is the same in each, and the ids rise, as those of one
// of Vigil's publishers do, so that none comes twice or late.
type identified struct {
	frame []byte // the delivery taken last; before the first, one with the least id
	id    int    // where its id begins
	taken int64
}

// leastID is a UUID that all others are greater than.
const leastID = "00000000-0000-0000-0000-000000000000"

// newIdentified expects deliveries of a message behind such a header.
func newIdentified(d dialect, m message) *identified {
	m.header = "NATS/1.0\r\nNats-Msg-Id: " + leastID + "\r\n\r\n"
	frame := d.appendDelivery(nil, m)
	return &identified{frame: frame, id: strings.Index(string(frame), leastID)}
}

func (c *identified) frames() int64 { return c.taken }
func (c *identified) first() byte   { return c.frame[0] }

func (c *identified) take(b []byte) (n int, err error) {
	last := c.frame[c.id : c.id+len(leastID)]
	for len(b)-n >= len(c.frame) && b[n] == c.first() {
		got := b[n : n+len(c.frame)]
		id := got[c.id : c.id+len(leastID)]
		if bytes.Compare(id, last) <= 0 {
			return n, fmt.Errorf("delivery %d has the id %q, behind %q", c.taken, id, last)
		}
		copy(last, id)
		if !bytes.Equal(got, c.frame) {
			same := commonPrefix(got, c.frame)
			return n, &frameError{number: c.taken, offset: same, got: clip(got[same:]), want: clip(c.frame[same:])}
		}
		c.taken++
		n += len(c.frame)
	}
	return n, nil
}
