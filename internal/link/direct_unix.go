//go:build unix

package link

import (
	"net"
	"syscall"
)

// direct writes to a socket without ever waiting.
type direct struct {
	raw  syscall.RawConn // nil where there is no socket, or something over it
	call func(fd uintptr) bool

	// Of the call under way.
	buf []byte
	n   int
}

func (d *direct) init(nc net.Conn) {
	sc, ok := nc.(syscall.Conn)
	if !ok || layered(nc) {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	d.raw = raw
	d.call = func(fd uintptr) bool { // made once, so that a write allocates nothing
		n, err := syscall.Write(int(fd), d.buf)
		if err == nil {
			d.n = n
		}
		return true // whatever came of it: to return false would be to wait
	}
}

func (d *direct) possible() bool { return d.raw != nil }

// write returns how much of b the socket took.
func (d *direct) write(b []byte) int {
	d.buf, d.n = b, 0
	_ = d.raw.Write(d.call) // the writer will meet it, too
	d.buf = nil
	return d.n
}
