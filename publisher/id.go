package publisher

import (
	"crypto/rand"
	"encoding/hex"
	"sync/atomic"
)

// idHeader is the header by which JetStream, and package subscriber's
// DropRepeats, tell a message that was sent again from another one.
const idHeader = "Nats-Msg-Id"

// ids makes unique message ids: UUIDs of version 8 (RFC 9562, section 5.8) of
// which one half is random, once for the publisher, and the other counts. So an
// id costs an addition and the digits of the count.
type ids struct {
	text  [idSize]byte // the random half; the rest is zero
	count atomic.Uint64
}

const idSize = len("00000000-0000-0000-0000-000000000000")

func (i *ids) init() {
	var raw [8]byte
	rand.Read(raw[:])           // never fails: crypto/rand ends the program instead
	raw[6] = raw[6]&0x0f | 0x80 // version 8
	copy(i.text[:], "00000000-0000-0000-0000-000000000000")
	hex.Encode(i.text[0:], raw[0:4])
	hex.Encode(i.text[9:], raw[4:6])
	hex.Encode(i.text[14:], raw[6:8])
}

// digits are those of a UUID.
const digits = "0123456789abcdef"

// append appends the text of the next id.
func (i *ids) append(dst []byte) []byte {
	n := i.count.Add(1)&(1<<62-1) | 1<<63 // variant 10
	dst = append(dst, i.text[:]...)
	text := dst[len(dst)-idSize:]
	for at := idSize - 1; at > 23; at-- {
		text[at] = digits[n&0xf]
		n >>= 4
	}
	for at := 22; at > 18; at-- {
		text[at] = digits[n&0xf]
		n >>= 4
	}
	return dst
}
