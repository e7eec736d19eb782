//go:build !linux

package link

import "net"

// hearUnreachable does nothing here: the kernel keeps what the network reports.
func hearUnreachable(net.Conn) bool { return false }

func isUnreachable(error) bool { return false }

func dropReports(net.Conn) {}
