package fault

import (
	"testing"
	"time"
)

// What passes is counted to the byte, impaired or not, and nothing else passes:
// an idle link is silent.
func TestTrafficIsExact(t *testing.T) {
	const (
		n       = 100
		payload = 58
		frame   = 14 + 20 + 8 + payload // Ethernet, IPv4, UDP
	)
	// Connections of other tests still send their FIN, and ask for their hosts.
	if err := destroyOrphans(); err != nil {
		t.Skip("SKIP: connections cannot be destroyed here: ", err)
	}
	s := needSwitch(t)
	for name, h := range map[string]*Host{"plain": newHost(t, s, 2), "routed": newRouted(t, s, 3)} {
		there := listenDatagrams(t, h, h.Addr())
		here := listenDatagrams(t, nil, hostAddr(clientsHost))
		for _, im := range []Impairment{{}, {Delay: time.Millisecond}} {
			do(t, h.Impair(Both, im))
			frames, bytes, err := h.Traffic()
			do(t, err)
			if got := here.flow(t, there, n, payload); got != n {
				t.Fatalf("%s: %d of %d arrived", name, got, n)
			}
			there.receive(t, 1) // waits for a while, in vain
			moreFrames, moreBytes, err := h.Traffic()
			do(t, err)
			if moreFrames-frames != n || moreBytes-bytes != n*frame {
				t.Errorf("%s, %+v: %d datagrams of %d bytes on the wire were counted as %d frames, %d bytes",
					name, im, n, frame, moreFrames-frames, moreBytes-bytes)
			}
		}
		do(t, here.Close())
		do(t, there.Close())
	}
}
