package bench

import (
	"bytes"
	"fmt"
)

// numbered is the checker of verifying rounds: every payload tells who
// published it and as which message, and the whole delivery is compared with
// what that message must look like.
type numbered struct {
	// Fixed after construction.
	stride  int
	payload int // its offset in a delivery
	// expect appends the delivery of a message.
	expect func(b []byte, publisher, sequence int) []byte
	begins byte
	ledger *ledger
	member int // whose deliveries they are, to the ledger

	taken   int64
	scratch []byte
}

func (v *numbered) frames() int64 { return v.taken }
func (v *numbered) first() byte   { return v.begins }

func (v *numbered) take(b []byte) (n int, err error) {
	for len(b)-n >= v.stride && b[n] == v.begins {
		frame := b[n : n+v.stride]
		publisher, sequence, err := readNumber(frame[v.payload:])
		if err != nil {
			return n, fmt.Errorf("delivery %d, %q: %w", v.taken, clip(frame), err)
		}
		v.scratch = v.expect(v.scratch[:0], publisher, sequence)
		if !bytes.Equal(frame, v.scratch) {
			same := commonPrefix(frame, v.scratch)
			return n, &frameError{number: v.taken, offset: same, got: clip(frame[same:]), want: clip(v.scratch[same:])}
		}
		if err := v.ledger.see(v.member, publisher, sequence); err != nil {
			return n, err
		}
		v.taken++
		n += v.stride
	}
	return n, nil
}
