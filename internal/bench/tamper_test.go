package bench

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// tampering is a relay that passes on one delivery after the other and has its
// way with the 1000th.
func tampering(t *testing.T, stride int, tamper func(frame []byte) []byte) *target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	// Ends when the test's connections have; the test waits for it.
	wg.Go(func() {
		var ends [2]net.Conn
		for i := range ends {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			end := make([]byte, 1)
			if _, err := io.ReadFull(c, end); err != nil {
				return
			}
			_, _ = c.Write(end)
			ends[i] = c
		}
		frame := make([]byte, stride)
		for i := 0; ; i++ {
			if _, err := io.ReadFull(ends[1], frame); err != nil {
				return
			}
			out := frame
			if i == 1000 {
				out = tamper(frame)
			}
			if _, err := ends[0].Write(out); err != nil {
				return
			}
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return &target{dialect: relayDialect{}, addr: l.Addr().String()}
}

// What a broker does wrong must end the round, measured or not.
func TestTampering(t *testing.T) {
	t.Parallel()
	f := one(1, 1, 1<<10)
	short := timing{warm: time.Millisecond, window: 50 * time.Millisecond, stall: time.Second, bytes: 4 << 20, messages: 4000}
	for _, tc := range []struct {
		name               string
		tamper             func(frame []byte) []byte
		measured, verified string // part of the error
	}{
		{"nothing", func(f []byte) []byte { return f }, "", ""},
		{"lost", func([]byte) []byte { return nil }, "stalled: nothing was delivered", "messages 1000 to 1000 of publisher 0 are missing"},
		{"twice", func(f []byte) []byte { return append(f, f...) }, "deliveries of", "came again"},
		{"wrong", func(f []byte) []byte { f[500] ^= 1; return f }, "delivery 1000 is wrong from byte 500 on", "delivery 1000 is wrong from byte 500 on"},
		{"short", func(f []byte) []byte { return f[1:] }, `the relay says "UB bench`, `the relay says "UB bench`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := f.measure(t.Context(), tampering(t, f.stride(relayDialect{}), tc.tamper), short)
			checkError(t, "measured", err, tc.measured)
			err = f.verify(t.Context(), tampering(t, f.stride(relayDialect{}), tc.tamper), short)
			checkError(t, "verified", err, tc.verified)
		})
	}
}

func checkError(t *testing.T, what string, err error, part string) {
	t.Helper()
	if (err == nil) != (part == "") || err != nil && !strings.Contains(err.Error(), part) {
		t.Errorf("%s: error %v, want %q in it", what, err, part)
	}
}
