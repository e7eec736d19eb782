package bench

import (
	"bytes"
	"fmt"
)

// checker judges what a subscriber receives.
type checker interface {
	// take judges the front of b and returns how many bytes it has done with.
	// If that is less than all, then at b[n] a delivery would begin, and what
	// stands there is another operation or incomplete.
	take(b []byte) (n int, err error)
	// frames is how many whole deliveries were taken.
	frames() int64
	// first is the byte that every delivery begins with, and nothing else.
	first() byte
}

// tape is the checker of measured rounds: the deliveries are the same ones over
// and over, so that a read is compared with what is expected as one block.
// Every byte is compared; which of the equal messages it belongs to cannot be
// told, and is what [numbered] is for.
type tape struct {
	// Fixed after construction.
	loop   []byte // whole deliveries, each of stride bytes
	stride int

	at    int   // where in loop the next byte is expected
	taken int64 // bytes
}

// tapeLength is how long a tape is at least, in bytes: a read is compared in a
// step or two.
const tapeLength = 256 << 10

// newTape returns a tape that expects deliveries over and over. Each is stride
// bytes long.
func newTape(deliveries []byte, stride int) (*tape, error) {
	if stride <= 0 || len(deliveries) == 0 || len(deliveries)%stride != 0 {
		return nil, fmt.Errorf("bench: tape of %d bytes in deliveries of %d", len(deliveries), stride)
	}
	loop := bytes.Repeat(deliveries, (tapeLength+len(deliveries)-1)/len(deliveries))
	return &tape{loop: loop, stride: stride}, nil
}

// copy returns a tape at its beginning that shares t's bytes.
func (t *tape) copy() *tape { return &tape{loop: t.loop, stride: t.stride} }

func (t *tape) frames() int64 { return t.taken / int64(t.stride) }
func (t *tape) first() byte   { return t.loop[0] }

func (t *tape) take(b []byte) (n int, err error) {
	for n < len(b) {
		length := min(len(b)-n, len(t.loop)-t.at)
		got, want := b[n:n+length], t.loop[t.at:t.at+length]
		if !bytes.Equal(got, want) {
			return t.mismatch(got, want, n)
		}
		n += t.pass(length)
	}
	return n, nil
}

// pass counts n bytes that were as expected.
func (t *tape) pass(n int) int {
	t.taken += int64(n)
	t.at += n
	if t.at == len(t.loop) {
		t.at = 0
	}
	return n
}

// mismatch passes over what got and want have in common. Where they part
// between two deliveries another operation may stand; anywhere else is wrong.
func (t *tape) mismatch(got, want []byte, before int) (n int, err error) {
	same := commonPrefix(got, want)
	t.pass(same)
	if t.at%t.stride == 0 && got[same] != t.first() {
		return before + same, nil
	}
	return before + same, &frameError{
		number: t.frames(), offset: t.at % t.stride,
		got: clip(got[same:]), want: clip(t.loop[t.at:]),
	}
}

func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// frameError says that a delivery is not what it ought to be.
type frameError struct {
	number    int64 // of whole deliveries before it
	offset    int   // of the first wrong byte in it
	got, want []byte
}

func (e *frameError) Error() string {
	return fmt.Sprintf("delivery %d is wrong from byte %d on: got %q, want %q", e.number, e.offset, e.got, e.want)
}

// clip returns a copy of the front of b, short enough for an error.
func clip(b []byte) []byte { return bytes.Clone(b[:min(len(b), 40)]) }
