package lab

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// userTimeoutContender is a bare connection with TCP_USER_TIMEOUT, RFC 5482: its
// kernel gives up when what was sent is not acknowledged in time. Whoever sends
// nothing learns nothing.
func userTimeoutContender() contender {
	dialer := net.Dialer{KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		failed := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds()))
		})
		if failed != nil {
			return failed
		}
		return err
	}}
	return keepaliveContender(userTimeoutName, "TCP_USER_TIMEOUT 2 s, no keep-alive", 0, "never, unless it sends", dialer)
}
