package broker

import "syscall"

// tcpNotSentLowat is TCP_NOTSENT_LOWAT of linux/tcp.h, which package syscall
// lacks.
const tcpNotSentLowat = 25

// maxNotSent is what the kernel may hold of a client's output that it has not
// sent yet, in bytes. Sending is not slower for it: what is on the way does not
// count.
const maxNotSent = 256 << 10

// limitUnsent keeps the backlog of a client that reads slowly in its outbox,
// where it is bounded and a PING can pass it, and not in megabytes of kernel
// memory. It also shows progress sooner: a socket counts as writable once
// a third of what it may hold is free.
func limitUnsent(fd int) {
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, tcpNotSentLowat, maxNotSent) // fails on other sockets than TCP
}
