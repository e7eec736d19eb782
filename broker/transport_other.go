//go:build !unix

package broker

import "net"

// newTransport returns the fastest transport that conn can have.
func newTransport(conn net.Conn) transport { return plainTransport{conn} }
