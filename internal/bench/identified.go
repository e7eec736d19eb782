package bench

import (
	"bytes"
	"fmt"
)

// identified is the checker of what a publisher sends that gives each message an id
// of its own in a header, as for messages that may be sent again: all deliveries
// are alike but for the id, and each id comes behind the one before.
type identified struct {
	// Fixed after construction.
	frame []byte // a delivery, with any id
	at    int    // where the id is in it

	last  [idSize]byte
	taken int64
}

const (
	idSize   = len("00000000-0000-0000-0000-000000000000")
	idHeader = "NATS/1.0\r\nNats-Msg-Id: "
)

// newIdentified expects deliveries of m, with an id each.
func newIdentified(d dialect, m message) *identified {
	m.header = idHeader + string(make([]byte, idSize)) + "\r\n\r\n"
	frame := d.appendDelivery(nil, m)
	return &identified{frame: frame, at: bytes.Index(frame, []byte(idHeader)) + len(idHeader)}
}

func (v *identified) frames() int64 { return v.taken }
func (v *identified) first() byte   { return v.frame[0] }

func (v *identified) take(b []byte) (n int, err error) {
	for len(b)-n >= len(v.frame) && b[n] == v.first() {
		frame := b[n : n+len(v.frame)]
		id := frame[v.at : v.at+idSize]
		if !bytes.Equal(frame[:v.at], v.frame[:v.at]) || !bytes.Equal(frame[v.at+idSize:], v.frame[v.at+idSize:]) {
			return n, fmt.Errorf("delivery %d is %q", v.taken, clip(frame))
		}
		if bytes.Compare(id, v.last[:]) <= 0 {
			return n, fmt.Errorf("delivery %d has the id %s, behind %s", v.taken, id, v.last[:])
		}
		copy(v.last[:], id)
		v.taken++
		n += len(v.frame)
	}
	return n, nil
}
