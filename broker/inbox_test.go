package broker

import (
	"fmt"
	"testing"
)

// A large message that arrives in small pieces is copied into larger buffers as
// it grows, and not to and fro: shrink leaves what room has made. Moves show in
// the buffer's identity.
func TestInboxCopiesALargeMessageSeldom(t *testing.T) {
	const message, small = 2 << 20, 32 << 10
	for _, step := range []int{1, 100, 1448, 9000, small, maxRead} {
		t.Run(fmt.Sprint(step), func(t *testing.T) {
			in := inbox{account: new(memoryAccount)}
			_ = in.room(readBuffer)
			in.received(small) // from here on, the message is large
			at, moves, copied := identity(in.buf), 0, 0
			look := func() {
				if now := identity(in.buf); now != at {
					at, moves, copied = now, moves+1, copied+len(in.buf)
				}
			}
			for len(in.buf) < message {
				room := in.room(readBuffer)
				look()
				if len(room) < readBuffer/2 || len(room) > maxRead {
					t.Fatalf("room for %d bytes behind %d", len(room), len(in.buf))
				}
				in.received(min(step, len(room)))
				in.shrink()
				look()
				if most := max(minBuffer, 4*len(in.buf)); cap(in.buf) > most {
					t.Fatalf("a buffer of %d for %d bytes, want %d at most", cap(in.buf), len(in.buf), most)
				}
				if copied > 2*message {
					t.Fatalf("of the first %d bytes %d were copied, in %d moves", len(in.buf), copied, moves)
				}
			}
		})
	}
}

// An inbox whose input was parsed holds no buffer.
func TestInboxHoldsNothingWhenEmpty(t *testing.T) {
	in := inbox{account: new(memoryAccount)}
	in.received(len(in.room(readBuffer)))
	in.consumed(len(in.buf))
	in.shrink()
	if cap(in.buf) != 0 {
		t.Errorf("a buffer of %d bytes is held", cap(in.buf))
	}
}

// identity tells buffers apart.
func identity(b []byte) *byte { return &b[:1][0] }
