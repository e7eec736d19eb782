package bench

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// The checker must find each of these, however the stream is cut.
func TestIdentified(t *testing.T) {
	m := message{subject: "bench.flow", sid: 1, payload: plain(clientSize)}
	frame := func(id int) []byte {
		m.header = fmt.Sprintf("NATS/1.0\r\nNats-Msg-Id: 018f0000-0000-8000-8000-%012x\r\n\r\n", id)
		return natsDialect{}.appendDelivery(nil, m)
	}
	all := func() [][]byte {
		frames := [][]byte{[]byte("INFO {}\r\n")}
		for id := range 50 {
			frames = append(frames, frame(id))
		}
		return slices.Insert(frames, 20, []byte("PING\r\n"))
	}
	for _, tc := range []struct {
		name   string
		mutate func([][]byte)
		wants  string // part of the error, "" for none
	}{
		{"nothing", func([][]byte) {}, ""},
		{"again", func(f [][]byte) { f[30] = f[29] }, "behind"},
		{"exchanged", func(f [][]byte) { f[30], f[31] = f[31], f[30] }, "behind"},
		{"another payload", func(f [][]byte) { f[30] = bytes.Replace(f[30], []byte("abc"), []byte("abd"), 1) }, "delivery 28 is wrong from byte"},
		{"another header", func(f [][]byte) { f[30] = bytes.Replace(f[30], []byte("Nats-Msg-Id"), []byte("Nats-Msg-Is"), 1) }, "is wrong from byte"},
		{"no header", func(f [][]byte) { f[30] = []byte("MSG bench.flow 1 2\r\nab\r\n") }, `"MSG bench.flow 1 2`},
	} {
		for _, cut := range []bool{false, true} {
			frames := all()
			tc.mutate(frames)
			stream := io.Reader(bytes.NewReader(slices.Concat(frames...)))
			if cut {
				stream = iotest.OneByteReader(stream)
			}
			n, said, err := receiveAll(t, newIdentified(natsDialect{}, m), stream)
			switch {
			case tc.wants == "" && (err != nil || n != 50 || said != "PONG\r\n"):
				t.Errorf("%s, cut %v: %d deliveries, said %q: %v", tc.name, cut, n, said, err)
			case tc.wants != "" && (err == nil || !strings.Contains(err.Error(), tc.wants)):
				t.Errorf("%s, cut %v: error %v, want %q", tc.name, cut, err, tc.wants)
			}
		}
	}
}
