package lesson

import (
	"encoding/binary"
	"fmt"
)

// Type says what a message is.
type Type uint32

// The types of the lesson.
const (
	Ping  Type = 1
	Pong  Type = 2
	Type1 Type = 11
	Type2 Type = 21
)

// pongOfC is how a PONG arrives from the lesson's own server, where it runs on a
// little-endian machine: it forgets to convert the type.
const pongOfC = Type(Pong << 24)

// String returns the lesson's name of the type.
func (t Type) String() string {
	switch t {
	case Ping:
		return "MSG_PING"
	case Pong:
		return "MSG_PONG"
	case Type1:
		return "MSG_TYPE1"
	case Type2:
		return "MSG_TYPE2"
	}
	return fmt.Sprintf("Type(%d)", uint32(t))
}

const (
	typeSize = 4
	dataSize = 1024
	// MessageSize is the length of every message, in bytes.
	MessageSize = typeSize + dataSize
)

// DefaultPort is where the lesson's server listens.
const DefaultPort = 43211

// TypeError says that something came which is no message of the lesson.
type TypeError struct {
	Type uint32 // as it came
}

// Error returns the type, as a number and as bytes.
func (e *TypeError) Error() string {
	return fmt.Sprintf("unknown message type (%d, % x)", e.Type, binary.BigEndian.AppendUint32(nil, e.Type))
}

// AppendMessage appends a message without data.
func AppendMessage(dst []byte, t Type) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(t))
	return append(dst, make([]byte, dataSize)...)
}

// Decoder cuts a stream of bytes into messages. The zero value is ready. It holds a
// few messages at most.
type Decoder struct {
	buf        [4 * MessageSize]byte
	start, end int
}

// Room returns where the next bytes are to be read to. It is never empty behind a
// Next that returned false.
func (d *Decoder) Room() []byte {
	copy(d.buf[:], d.buf[d.start:d.end])
	d.start, d.end = 0, d.end-d.start
	return d.buf[d.end:]
}

// Got notes that n bytes were read to where Room said.
func (d *Decoder) Got(n int) { d.end += n }

// Next returns the next whole message; false means that bytes are missing. The
// error is a *TypeError, as soon as the type has come.
func (d *Decoder) Next() (Type, bool, error) {
	rest := d.buf[d.start:d.end]
	if len(rest) < typeSize {
		return 0, false, nil
	}
	t := Type(binary.BigEndian.Uint32(rest))
	switch t {
	case Ping, Pong, Type1, Type2:
	case pongOfC:
		t = Pong
	default:
		return 0, false, &TypeError{uint32(t)}
	}
	if len(rest) < MessageSize {
		return 0, false, nil
	}
	d.start += MessageSize
	return t, true, nil
}
