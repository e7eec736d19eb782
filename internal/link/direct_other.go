//go:build !unix

package link

import "net"

// direct writes to a socket without ever waiting, which this platform has not.
type direct struct{}

func (*direct) init(net.Conn) {}

func (*direct) possible() bool { return false }

func (*direct) write([]byte) int { return 0 }
