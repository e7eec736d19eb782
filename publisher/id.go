package publisher

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"sync/atomic"
)

// idHeader is the header by which JetStream, and package subscriber's
// DropRepeats, tell a message that was sent again from another one.
const idHeader = "Nats-Msg-Id"

// ids makes unique message ids: UUIDs of version 8 (RFC 9562, section 5.8) of
// which one half is random, once for the publisher, and the other counts. So an
// id costs an addition.
type ids struct {
	random [8]byte
	count  atomic.Uint64
}

func (i *ids) init() { rand.Read(i.random[:]) } // never fails: crypto/rand ends the program instead

// append appends the text of the next id.
func (i *ids) append(dst []byte) []byte {
	var raw [16]byte
	copy(raw[:], i.random[:])
	binary.BigEndian.PutUint64(raw[8:], i.count.Add(1))
	raw[6] = raw[6]&0x0f | 0x80 // version 8
	raw[8] = raw[8]&0x3f | 0x80 // variant 10
	at := len(dst)
	dst = append(dst, "00000000-0000-0000-0000-000000000000"...)
	text := dst[at:]
	hex.Encode(text[0:], raw[0:4])
	hex.Encode(text[9:], raw[4:6])
	hex.Encode(text[14:], raw[6:8])
	hex.Encode(text[19:], raw[8:10])
	hex.Encode(text[24:], raw[10:16])
	return dst
}
