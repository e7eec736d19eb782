package fault

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
)

// backend is a TCP server whose connections the test holds in its hand.
type backend struct {
	ln    *net.TCPListener
	conns chan *net.TCPConn
}

// newBackend listens until the end of the test.
func newBackend(t *testing.T) *backend {
	t.Helper()
	ln, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{ln: ln, conns: make(chan *net.TCPConn, 64)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := ln.AcceptTCP()
			if err != nil {
				return
			}
			b.conns <- conn
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-ended
		close(b.conns)
		for conn := range b.conns {
			conn.Close()
		}
	})
	return b
}

// pair dials the proxy and returns both ends.
func (b *backend) pair(t *testing.T, p *Proxy) (client, host *net.TCPConn) {
	t.Helper()
	client = dial(t, p.Addr())
	host = <-b.conns
	t.Cleanup(func() { host.Close() })
	return client, host
}

// newProxy makes a proxy before b.
func newProxy(t *testing.T, b *backend) *Proxy {
	t.Helper()
	p, err := NewProxy(func() (string, error) { return b.ln.Addr().String(), nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func send(t *testing.T, conn net.Conn, word string) {
	t.Helper()
	if _, err := io.WriteString(conn, word); err != nil {
		t.Fatal(err)
	}
}

func TestProxyForwardsAndHalfCloses(t *testing.T) {
	b := newBackend(t)
	client, host := b.pair(t, newProxy(t, b))
	send(t, client, "request")
	expectBytes(t, host, "request")
	client.CloseWrite()
	if err := expectEnd(t, host); err != io.EOF {
		t.Fatalf("half close arrived as %v", err)
	}
	send(t, host, "reply")
	expectBytes(t, client, "reply")
	host.Close()
	if err := expectEnd(t, client); err != io.EOF {
		t.Fatalf("close arrived as %v", err)
	}
}

func TestProxyPassesResetsOn(t *testing.T) {
	b := newBackend(t)
	p := newProxy(t, b)
	client, host := b.pair(t, p)
	reset(host)
	if err := expectEnd(t, client); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the host's RST arrived as %v", err)
	}
	client, host = b.pair(t, p)
	reset(client)
	if err := expectEnd(t, host); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client's RST arrived as %v", err)
	}
	b.ln.Close()
	if err := dialAndEnd(t, p.Addr()); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a refusal arrived as %v", err)
	}
}

// dialAndEnd dials and returns how the connection ended, which may be before
// the dialler has looked at it.
func dialAndEnd(t *testing.T, addr string) error {
	t.Helper()
	conn, err := net.DialTimeout("tcp4", addr, bound)
	if err != nil {
		return err
	}
	defer conn.Close()
	return expectEnd(t, conn)
}

func TestProxyVanishesAndRestores(t *testing.T) {
	b := newBackend(t)
	p := newProxy(t, b)
	old, host := b.pair(t, p)
	send(t, old, "before")
	expectBytes(t, host, "before")

	for range 2 {
		if err := p.Vanish(); err != nil {
			t.Fatal(err)
		}
	}
	expectEnd(t, host)
	send(t, old, "unheard")
	expectSilence(t, old)
	late := dial(t, p.Addr())
	send(t, late, "unheard")
	expectSilence(t, late)
	select {
	case <-b.conns:
		t.Fatal("a vanished proxy dialled the backend")
	default:
	}

	for range 2 {
		if err := p.Restore(); err != nil {
			t.Fatal(err)
		}
	}
	if err := expectEnd(t, late); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a connection of the time between ended with %v", err)
	}
	send(t, old, "for ever unheard")
	expectSilence(t, old)
	client, host := b.pair(t, p)
	send(t, client, "after")
	expectBytes(t, host, "after")

	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for _, conn := range []net.Conn{old, client, host} {
		expectEnd(t, conn)
	}
	for _, err := range []error{p.Vanish(), p.Restore(), p.Cut(Both), p.Mend()} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

// TestProxyVanishesAmidTraffic streams while the proxy vanishes: what arrived
// when Vanish returned is all that ever arrives, and nobody is told.
func TestProxyVanishesAmidTraffic(t *testing.T) {
	b := newBackend(t)
	p := newProxy(t, b)
	for range 20 {
		client, host := b.pair(t, p)
		var streams sync.WaitGroup
		streams.Go(func() { _, _ = io.Copy(host, host) })
		streams.Go(func() {
			chunk := make([]byte, 1000)
			for { // ends when the kernel's buffers are full and client closed
				if _, err := client.Write(chunk); err != nil {
					return
				}
			}
		})
		if _, err := io.CopyN(io.Discard, client, 100_000); err != nil {
			t.Fatal(err)
		}
		if err := p.Vanish(); err != nil {
			t.Fatal(err)
		}
		drain(t, client)
		client.Close()
		streams.Wait()
		if err := p.Restore(); err != nil {
			t.Fatal(err)
		}
	}
}

// drain reads what is in client's buffer and expects silence thereafter.
func drain(t *testing.T, client *net.TCPConn) {
	t.Helper()
	raw, err := client.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<20)
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, err := readNow(fd, buf)
			if n == 0 && err == nil {
				t.Error("EOF leaked out of a vanished host")
			}
			if n <= 0 {
				return true
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
	expectSilence(t, client)
}

func TestProxyCutHoldsTheEndBack(t *testing.T) {
	b := newBackend(t)
	p := newProxy(t, b)
	client, host := b.pair(t, p)
	if err := p.Cut(FromHost); err != nil {
		t.Fatal(err)
	}
	send(t, client, "this way is open")
	expectBytes(t, host, "this way is open")
	send(t, host, "late")
	host.Close()
	expectSilence(t, client)
	if err := p.Mend(); err != nil {
		t.Fatal(err)
	}
	expectBytes(t, client, "late")
	if err := expectEnd(t, client); err != io.EOF {
		t.Fatalf("ended with %v", err)
	}
}

func TestProxyIsBounded(t *testing.T) {
	b := newBackend(t)
	p := newProxy(t, b)
	if err := p.Vanish(); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.clients = maxProxyClients - 1 // as if so many were held
	p.mu.Unlock()
	last := dial(t, p.Addr())
	if err := dialAndEnd(t, p.Addr()); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("one too many ended with %v", err)
	}
	if n := p.Refused(); n != 1 {
		t.Errorf("%d refused, want 1", n)
	}
	expectSilence(t, last)
}

func TestProxyClosesDuringACut(t *testing.T) {
	b := newBackend(t)
	p := newProxy(t, b)
	client, host := b.pair(t, p)
	if err := p.Cut(Both); err != nil {
		t.Fatal(err)
	}
	send(t, client, "held at the gate")
	send(t, host, "held at the gate")
	for range 2 {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	expectEnd(t, client)
	expectEnd(t, host)
}
