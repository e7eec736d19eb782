//go:build !linux

package lab

import "net"

// userTimeoutContender stands for the one that only Linux has; the matrix, which
// is where it takes part, runs on Linux alone.
func userTimeoutContender() contender {
	return keepaliveContender(userTimeoutName, "TCP_USER_TIMEOUT, which this system lacks", 0, "never", net.Dialer{KeepAlive: -1})
}
