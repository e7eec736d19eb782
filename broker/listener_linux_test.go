package broker

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

// Every socket sends at once, and keeps little of what it cannot send.
func TestOptionsOfAcceptedSockets(t *testing.T) {
	b := startTest(t, Config{})
	c := b.clientOf(rawConn(t, b))
	for _, option := range []struct {
		name       string
		code, want int
	}{
		{"TCP_NODELAY", syscall.TCP_NODELAY, 1},
		{"TCP_NOTSENT_LOWAT", tcpNotSentLowat, maxNotSent},
	} {
		got, err := syscall.GetsockoptInt(c.socket.fd, syscall.IPPROTO_TCP, option.code)
		if err != nil || got != option.want {
			t.Errorf("%s is %d, %v, want %d", option.name, got, err, option.want)
		}
	}
}

// A socketListener tells the address that package net does, and makes connections
// of that package for those who want one.
func TestSocketListener(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1", "::"} {
		t.Run(host, func(t *testing.T) {
			plain, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
			if err != nil {
				t.Skip(err)
			}
			l := listenForSockets(plain).(*socketListener)
			t.Cleanup(func() { l.Close() })
			port := l.Addr().(*net.TCPAddr).Port
			from := dialPort(t, port)
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if got, want := conn.RemoteAddr().String(), from.LocalAddr().String(); got != want {
				t.Errorf("package net says %s, want %s", got, want)
			}
			from = dialPort(t, port)
			fd, remote, err := l.accept()
			if err != nil {
				t.Fatal(err)
			}
			_ = syscall.Close(fd)
			if got, want := remote.String(), from.LocalAddr().String(); got != want {
				t.Errorf("the address is %s, want %s", got, want)
			}
			ended := make(chan error)
			go func() { // ends with the listener
				_, err := l.Accept()
				ended <- err
			}()
			l.Close()
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("a closed listener says %v", err)
			}
		})
	}
}

// dialPort connects to a port of this machine, over whatever it listens on.
func dialPort(t *testing.T, port int) net.Conn {
	t.Helper()
	for _, ip := range []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback} {
		conn, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: ip, Port: port})
		if err == nil {
			t.Cleanup(func() { conn.Close() })
			return conn
		}
	}
	t.Fatalf("nothing listens on port %d", port)
	return nil
}

// What is no listener of TCP stays as it is.
func TestOtherListenersStay(t *testing.T) {
	l, err := net.Listen("unix", t.TempDir()+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := listenForSockets(l); got != l {
		t.Errorf("it became a %T", got)
	}
}
