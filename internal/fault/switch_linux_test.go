package fault

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// needSwitch makes a switch or skips the test.
func needSwitch(t *testing.T) *Switch {
	t.Helper()
	s, err := NewSwitch()
	if errors.Is(err, errors.ErrUnsupported) {
		skipNamespaces(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		expectOneNamespace(t)
	})
	return s
}

// newHost makes host n.
func newHost(t *testing.T, s *Switch, n int) *Host {
	t.Helper()
	h, err := s.NewHost(n)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// startOn starts an echo server on h and returns it with its address.
func startOn(t *testing.T, h *Host) (*Process, string) {
	t.Helper()
	addr := net.JoinHostPort(h.Addr().String(), "4222")
	c := play("echo", addr)
	c.Host = h
	return start(t, c), addr
}

// do fails the test on an error.
func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// expectEstablished checks what the client's kernel thinks of conn.
func expectEstablished(t *testing.T, conn *net.TCPConn) *unix.TCPInfo {
	t.Helper()
	raw, err := conn.SyscallConn()
	do(t, err)
	var info *unix.TCPInfo
	do(t, raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}))
	do(t, err)
	if info.State != unix.BPF_TCP_ESTABLISHED {
		t.Fatalf("TCP state %d, want ESTABLISHED", info.State)
	}
	return info
}

// expectOneNamespace checks that no thread was left in a host's namespace.
func expectOneNamespace(t *testing.T) {
	t.Helper()
	home, err := os.Readlink("/proc/self/ns/net")
	do(t, err)
	links, err := filepath.Glob("/proc/self/task/*/ns/net")
	do(t, err)
	for _, link := range links {
		// A thread may have ended since; what remains must be at home.
		if ns, err := os.Readlink(link); err == nil && ns != home {
			t.Errorf("%s is in %s, not in %s", link, ns, home)
		}
	}
}

func TestVanishIsSilentAndTheReturnResets(t *testing.T) {
	h := newHost(t, needSwitch(t), 2)
	_, addr := startOn(t, h)
	idle, busy := dial(t, addr), dial(t, addr)
	expectEcho(t, idle, "idle")
	expectEcho(t, busy, "busy")

	do(t, h.Drop(Both))
	h.Kill()
	if _, err := io.WriteString(busy, "into the dark"); err != nil {
		t.Fatal(err)
	}
	expectSilence(t, idle)
	expectSilence(t, busy)
	expectEstablished(t, idle)
	if info := expectEstablished(t, busy); info.Unacked == 0 {
		t.Error("somebody acknowledged what was sent to a dead host")
	}
	if frames, size, err := h.Traffic(); err != nil || frames < 10 || size < 10*54 {
		t.Errorf("%d frames, %d bytes, %v passed; want two handshakes and echoes at least", frames, size, err)
	}
	if n, err := h.Dropped(); err != nil || n < 3 {
		t.Errorf("%d packets dropped, %v; want two FINs and a write at least", n, err)
	}

	do(t, h.Reboot())
	// Nothing of the old host leaks, and the idle connection hears nothing
	// before it asks.
	expectSilence(t, idle)
	if _, err := io.WriteString(idle, "anybody there?"); err != nil {
		t.Fatal(err)
	}
	for _, conn := range []net.Conn{idle, busy} {
		if err := expectEnd(t, conn); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("after the reboot: %v, want ECONNRESET", err)
		}
	}
	if _, err := net.Dial("tcp4", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens after the reboot, but: %v", err)
	}
	before, err := h.Dropped()
	do(t, err)
	_, addr = startOn(t, h)
	expectEcho(t, dial(t, addr), "new life")
	if after, err := h.Dropped(); after != before || err != nil {
		t.Errorf("drop counter moved from %d to %d, %v on a healed host", before, after, err)
	}
}

func TestKillAloneSendsFIN(t *testing.T) {
	h := newHost(t, needSwitch(t), 2)
	p, addr := startOn(t, h)
	conn := dial(t, addr)
	expectEcho(t, conn, "hello")
	p.Kill()
	if err := expectEnd(t, conn); err != io.EOF {
		t.Fatalf("the control experiment ended with %v, want EOF", err)
	}
}

func TestOneWayCuts(t *testing.T) {
	s := needSwitch(t)
	for n, dir := range map[int]Direction{2: ToHost, 3: FromHost} {
		t.Run(dir.String(), func(t *testing.T) {
			h := newHost(t, s, n)
			_, addr := startOn(t, h)
			conn := dial(t, addr)
			expectEcho(t, conn, "before")
			do(t, h.Drop(dir))
			do(t, h.Drop(dir)) // once more changes nothing
			if _, err := io.WriteString(conn, "during"); err != nil {
				t.Fatal(err)
			}
			expectSilence(t, conn)
			expectEstablished(t, conn)
			if n, err := h.Dropped(); n == 0 || err != nil {
				t.Errorf("%d packets dropped, %v", n, err)
			}
			do(t, h.Heal())
			do(t, h.Heal())
			expectBytes(t, conn, "during") // the connection survived
			do(t, h.Close())
		})
	}
}

func TestHostsAreCutOneByOne(t *testing.T) {
	s := needSwitch(t)
	h2, h20 := newHost(t, s, 2), newHost(t, s, 20)
	_, addr2 := startOn(t, h2)
	_, addr20 := startOn(t, h20)
	conn2, conn20 := dial(t, addr2), dial(t, addr20)
	do(t, h2.Drop(Both))
	expectEcho(t, conn20, "lively")
	if _, err := io.WriteString(conn2, "x"); err != nil {
		t.Fatal(err)
	}
	expectSilence(t, conn2)
	do(t, h20.Drop(Both))
	do(t, h2.Heal())
	expectBytes(t, conn2, "x")
	do(t, h20.Close())
	expectEcho(t, conn2, "still")
	if _, err := s.NewHost(2); err == nil {
		t.Error("host 2 was made twice")
	}
	for _, n := range []int{-1, 0, 1, 255, 1000} {
		if _, err := s.NewHost(n); err == nil {
			t.Errorf("host %d was made", n)
		}
	}
	newHost(t, s, 20) // its number is free again
}

func TestClosedHostAndSwitchSaySo(t *testing.T) {
	s := needSwitch(t)
	if _, err := NewSwitch(); !errors.Is(err, errSwitchExists) {
		t.Errorf("second switch: %v", err)
	}
	h := newHost(t, s, 2)
	p, addr := startOn(t, h)
	conn := dial(t, addr)
	expectEcho(t, conn, "hello")
	do(t, s.Close())
	do(t, s.Close())
	do(t, h.Close())
	waitFor(t, "the death of the process on a closed host", p.Done())
	c := play("echo")
	c.Host = h
	_, startErr := StartProcess(testContext(t), c)
	_, hostErr := s.NewHost(3)
	_, _, trafficErr := h.Traffic()
	for _, err := range []error{h.Drop(Both), h.Heal(), h.Reboot(), startErr, hostErr, trafficErr} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	if _, err := h.Dropped(); err != nil {
		t.Error(err)
	}
}
