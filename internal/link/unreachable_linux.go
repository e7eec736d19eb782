package link

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// hearUnreachable asks the kernel to tell at once when the network reports the
// peer unreachable (IP_RECVERR, ip(7)), instead of keeping that until it gives
// the connection up a quarter of an hour later. It reports whether it will: an
// error for which isUnreachable holds is then a hint, after which the socket
// goes on as before.
func hearUnreachable(nc net.Conn) bool {
	return control(nc, func(fd int) error {
		v4 := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1)
		v6 := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
		if v4 != nil {
			return v6
		}
		return nil
	}) == nil
}

// isUnreachable reports whether err is what became of an ICMP message.
func isUnreachable(err error) bool {
	return errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) ||
		errors.Is(err, syscall.EHOSTDOWN) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EACCES)
}

// maxReports bounds how many reports are dropped at once.
const maxReports = 64

// dropReports empties the queue of reports, which takes room from the receive
// buffer.
func dropReports(nc net.Conn) {
	_ = control(nc, func(fd int) error {
		for range maxReports {
			if _, _, _, _, err := unix.Recvmsg(fd, nil, nil, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT); err != nil {
				return err
			}
		}
		return nil
	})
}

// control calls f with the descriptor of nc, if it has one.
func control(nc net.Conn, f func(fd int) error) error {
	sc, ok := below(nc).(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	if err := raw.Control(func(fd uintptr) { done = f(int(fd)) }); err != nil {
		return err
	}
	return done
}
