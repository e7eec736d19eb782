package udp

import (
	"errors"
	"syscall"
)

// Of winsock: a datagram that is too long, and ICMP messages about one that was
// sent.
const (
	wsaeMsgSize     = syscall.Errno(10040)
	wsaeNetReset    = syscall.Errno(10052)
	wsaeConnReset   = syscall.Errno(10054)
	wsaeHostUnreach = syscall.Errno(10065)
)

func isPassing(err error) bool {
	for _, e := range []error{wsaeMsgSize, wsaeNetReset, wsaeConnReset, wsaeHostUnreach} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
