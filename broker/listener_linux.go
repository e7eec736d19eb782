package broker

import (
	"net"
	"net/netip"
	"os"
	"syscall"
)

// socketListener is a TCP listener whose connections go to the poller without
// being package net's first. To make one of those and take it over is eight more
// system calls, and twice a place in the runtime's own poller.
type socketListener struct {
	addr net.Addr
	file *os.File
	raw  syscall.RawConn // file's
}

// listenForSockets takes a listener over if its connections are TCP's, and
// returns what is to be used instead: what it was given, if it cannot.
func listenForSockets(l net.Listener) net.Listener {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return l
	}
	file, err := tcp.File() // a copy
	if err != nil {
		return l
	}
	raw, err := file.SyscallConn()
	if err == nil {
		err = inheritNoDelay(raw)
	}
	if err != nil {
		_ = file.Close()
		return l
	}
	_ = tcp.Close() // the copy goes on listening
	return &socketListener{tcp.Addr(), file, raw}
}

// inheritNoDelay has a listener's sockets send at once, as package net's do: they
// inherit this.
func inheritNoDelay(raw syscall.RawConn) (err error) {
	failed := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	})
	if failed != nil {
		return failed
	}
	return os.NewSyscallError("setsockopt", err)
}

// accept waits for a connection. Its descriptor is the caller's.
func (l *socketListener) accept() (fd int, remote net.Addr, err error) {
	var from syscall.Sockaddr
	failed := l.raw.Read(func(listener uintptr) bool {
		for {
			fd, from, err = syscall.Accept4(int(listener), syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
			if err != syscall.EINTR && err != syscall.ECONNABORTED {
				return err != syscall.EAGAIN
			}
		}
	})
	if failed != nil { // which only a closed file does
		return -1, nil, net.ErrClosed
	}
	if err != nil {
		return -1, nil, os.NewSyscallError("accept4", err)
	}
	_ = setNotSentLowat(fd)
	return fd, tcpAddr(from), nil
}

// Accept is for those who want a connection of package net.
func (l *socketListener) Accept() (net.Conn, error) {
	fd, _, err := l.accept()
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "")
	defer file.Close()
	return net.FileConn(file) // of a copy
}

func (l *socketListener) Close() error   { return l.file.Close() }
func (l *socketListener) Addr() net.Addr { return l.addr }

// tcpAddr returns the address that the kernel tells, as package net would.
func tcpAddr(from syscall.Sockaddr) net.Addr {
	switch a := from.(type) {
	case *syscall.SockaddrInet4:
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)))
	case *syscall.SockaddrInet6:
		ip := netip.AddrFrom16(a.Addr).Unmap()
		if a.ZoneId != 0 {
			if link, err := net.InterfaceByIndex(int(a.ZoneId)); err == nil {
				ip = ip.WithZone(link.Name)
			}
		}
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, uint16(a.Port)))
	}
	return &net.TCPAddr{}
}
