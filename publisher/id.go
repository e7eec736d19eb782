package publisher

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"sync/atomic"

	"vigil/internal/wire"
)

// idHeader is the header by which JetStream, and package subscriber's
// DropRepeats, tell a message that was sent again from another one.
const idHeader = "Nats-Msg-Id"

// ids makes unique message ids: UUIDs of version 8 (RFC 9562, section 5.8) of
// which one half is random, once for the publisher, and the other counts. So an
// id costs an addition, and its text the digits of the half that counts.
type ids struct {
	block []byte // a header block with the random half of an id; fixed after init
	count atomic.Uint64
}

const (
	noID = "00000000-0000-0000-0000-000000000000"
	// blockSize is the length of the header block that has an id and nothing else.
	blockSize = len("NATS/1.0\r\n") + len(idHeader+": ") + len(noID) + len("\r\n\r\n")
	idAt      = len("NATS/1.0\r\n") + len(idHeader+": ") // of that block
	countAt   = len("00000000-0000-0000-")               // of an id
)

func (i *ids) init() {
	var random [8]byte
	rand.Read(random[:])              // never fails: crypto/rand ends the program instead
	random[6] = random[6]&0x0f | 0x80 // version 8
	i.block = wire.AppendHeader(nil, Header{idHeader: {noID}})
	text := i.block[idAt:]
	hex.Encode(text[0:], random[0:4])
	hex.Encode(text[9:], random[4:6])
	hex.Encode(text[14:], random[6:8])
}

// appendBlock appends the header block with the next id.
func (i *ids) appendBlock(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, i.block...)
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], i.count.Add(1))
	raw[0] = raw[0]&0x3f | 0x80 // variant 10
	var digits [2 * len(raw)]byte
	hex.Encode(digits[:], raw[:])
	text := dst[at+idAt+countAt:]
	copy(text, digits[:4])
	copy(text[len("0000-"):], digits[4:])
	return dst
}

// appendLine appends the line with the next id, and the end of a header block.
func (i *ids) appendLine(dst []byte) []byte {
	var room [blockSize]byte
	return append(dst, i.appendBlock(room[:0])[len("NATS/1.0\r\n"):]...)
}
