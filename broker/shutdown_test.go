package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// Shutdown ends at once, whatever its clients are doing: idle, lingering behind
// a violation, being turned away, stuck with output, or connecting. That no
// goroutine is left TestMain sees.
func TestShutdownWithClientsOfAllKinds(t *testing.T) {
	b, err := Start(Config{Port: RandomPort, MaxConnections: 4})
	if err != nil {
		t.Fatal(err)
	}
	idle, broken, stuck, pub := rawConn(t, b), rawConn(t, b), rawConn(t, b), rawConn(t, b)
	if _, err := io.WriteString(broken, "ZZZ"); err != nil {
		t.Fatal(err)
	}
	rawFlush(t, stuck, "SUB a 1\r\n")
	rawFlush(t, pub, strings.Repeat("PUB a 1000000\r\n"+strings.Repeat("x", 1000000)+"\r\n", 20))
	var extra []net.Conn
	for range 3 {
		conn, err := net.Dial("tcp", b.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		extra = append(extra, conn)
	}
	all, err := io.ReadAll(io.LimitReader(extra[0], 20)) // the greeting of one
	if err != nil || !strings.HasPrefix(string(all), "INFO ") {
		t.Errorf("got %q (error %v)", all, err)
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	defer cancel()
	for range 2 { // again is nothing
		if err := b.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took > lingerFor/2 {
		t.Errorf("took %v: somebody was waited for", took)
	}
	if n := len(b.snapshot()); n != 0 {
		t.Errorf("%d clients are left", n)
	}
	for _, conn := range append(extra, idle, stuck) {
		awaitEnd(t, conn)
	}
	if _, err := net.Dial("tcp", b.Addr().String()); err == nil {
		t.Error("the broker still listens")
	}
}

func TestShutdownGivesUpWithItsContext(t *testing.T) {
	b := startTest(t, Config{})
	release := make(chan struct{})
	b.pumps.Go(func() { <-release })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.Shutdown(ctx); !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "broker: shutdown: ") {
		t.Errorf("got %v", err)
	}
	close(release)
}

func TestManyBrokersInOneProcess(t *testing.T) {
	seen := make(map[string]bool)
	for i := range 20 {
		b := startTest(t, Config{Name: fmt.Sprintf("b%d", i)})
		rawFlush(t, rawConn(t, b), "SUB a 1\r\n")
		if len(b.ID()) != 56 || b.ID()[0] != 'N' || seen[b.ID()] || seen[b.URL()] {
			t.Errorf("id %s, url %s", b.ID(), b.URL())
		}
		seen[b.ID()], seen[b.URL()] = true, true
	}
}

func TestStartErrors(t *testing.T) {
	taken := startTest(t, Config{})
	port := taken.Addr().(*net.TCPAddr).Port
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Port: port}, fmt.Sprintf("broker: listen: listen tcp 127.0.0.1:%d: bind: address already in use; is another broker running? choose another port, or -1 for any free one", port)},
		{Config{Port: 65536}, "broker: port 65536: want 0 to 65535, or -1 for any free port"},
		{Config{Port: -2}, "broker: port -2: want 0 to 65535, or -1 for any free port"},
		{Config{MaxPayload: -1}, "broker: MaxPayload -1: want more than 0, or 0 for the default"},
		{Config{MaxPayload: 64<<20 + 1}, "broker: MaxPayload 67108865: want at most 67108864"},
		{Config{MaxControlLine: -1}, "broker: MaxControlLine -1: want more than 0, or 0 for the default"},
		{Config{MaxConnections: -1}, "broker: MaxConnections -1: want more than 0, or 0 for the default"},
		{Config{MaxSubTokens: -1}, "broker: MaxSubTokens -1: want more than 0, or 0 for the default"},
		{Config{MemoryBudget: 1 << 20}, "broker: MemoryBudget 1048576: want at least 4 times MaxPayload, 4194304, or a negative value for no bound"},
		{Config{MaxSubscriptions: -1}, "broker: MaxSubscriptions -1: want more than 0, or 0 for the default"},
		{Config{MaxPending: -1}, "broker: MaxPending -1: want more than 0, or 0 for the default"},
		{Config{MaxPending: 1000}, "broker: MaxPending 1000: want at least MaxPayload, 1048576"},
		{Config{WriteDeadline: -1}, "broker: WriteDeadline -1ns: want more than 0, or 0 for the default"},
		{Config{PingInterval: time.Millisecond}, "broker: PingInterval 1ms, PingMax 2: heartbeat: config: Idle is 1ms, the smallest possible is 3ms (the smallest Within is 20ms)"},
		{Config{PingMax: -1}, "broker: PingInterval 10s, PingMax -1: heartbeat: config: Probes is -1, possible are 1 to 1000"},
	} {
		b, err := Start(c.cfg)
		if err == nil {
			_ = b.Shutdown(context.Background())
		}
		if err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
	if _, err := Start(Config{Port: port}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v is not EADDRINUSE", err)
	}
}

// failingListener fails to accept as a process does that is out of
// descriptors.
type failingListener struct {
	tries  atomic.Int64
	closed chan struct{}
}

func (l *failingListener) Accept() (net.Conn, error) {
	l.tries.Add(1)
	return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
}
func (l *failingListener) Addr() net.Addr { return &net.TCPAddr{} }
func (l *failingListener) Close() error   { close(l.closed); return nil }

func TestAcceptBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &failingListener{closed: make(chan struct{})}
		b, err := Start(Config{Listener: l})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		// 5, 10, 20 … 640 ms, then each second.
		if n := l.tries.Load(); n < 10 || n > 25 {
			t.Errorf("%d tries in 10 s", n)
		}
		if err := b.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
