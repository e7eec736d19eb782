package fault

import (
	"errors"
	"io"
	"net/netip"
	"syscall"
	"testing"
)

func TestResetAbortsBothEnds(t *testing.T) {
	s := needSwitch(t)
	plain, routed := newHost(t, s, 2), newRouted(t, s, 3)
	for name, h := range map[string]*Host{"in the switch": plain, "behind a router": routed} {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t, nil, h)
			other, its := pair(t, nil, h)
			expectPassing(t, client, server)
			mine := client.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort()
			n, err := h.Reset(func(local, remote netip.AddrPort) bool { return remote == mine })
			if errors.Is(err, errors.ErrUnsupported) {
				t.Skip("SKIP: ", err)
			}
			if n != 1 || err != nil {
				t.Fatalf("%d connections reset, %v; want 1", n, err)
			}
			if err := expectEnd(t, client); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the client got %v, want ECONNRESET", err)
			}
			if err := expectEnd(t, server); !errors.Is(err, syscall.ECONNABORTED) {
				t.Errorf("the server got %v, want ECONNABORTED", err)
			}
			expectPassing(t, other, its)
			if n, err := h.Reset(nil); n != 1 || err != nil {
				t.Errorf("%d connections reset, %v; want the one left", n, err)
			}
			if err := expectEnd(t, other); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the other client got %v, want ECONNRESET", err)
			}
			// Who listens is no connection.
			_, addr := startListening(t, h)
			if n, err := h.Reset(nil); n != 0 || err != nil {
				t.Errorf("%d connections reset, %v; want none", n, err)
			}
			expectEcho(t, dial(t, addr), "hello")
		})
	}
}

// startListening starts an echo server on all addresses of h, and returns where
// it is reached.
func startListening(t *testing.T, h *Host) (*Process, string) {
	t.Helper()
	c := play("echo", ":4222")
	c.Host = h
	return start(t, c), netip.AddrPortFrom(h.Addr(), 4222).String()
}

// A frozen reader under flood closes its window, and its kernel acknowledges
// the probes.
func TestFrozenReaderClosesItsWindow(t *testing.T) {
	h := newHost(t, needSwitch(t), 2)
	p, addr := startOn(t, h)
	conn := dial(t, addr)
	expectEcho(t, conn, "hello")
	do(t, p.Freeze())
	total := flood(t, conn)
	info := expectEstablished(t, conn)
	if info.Snd_wnd != 0 || info.Notsent_bytes == 0 {
		t.Errorf("after %d bytes: window %d, %d bytes not sent", total, info.Snd_wnd, info.Notsent_bytes)
	}
	do(t, p.Thaw())
	if n, err := io.CopyN(io.Discard, conn, int64(total)); err != nil {
		t.Errorf("%d of %d bytes came back, %v", n, total, err)
	}
}
