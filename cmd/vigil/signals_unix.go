//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// brokerSignals returns channels that are told when the broker is to go into
// lame duck mode, by SIGUSR2, and when it is to read its configuration anew, by
// SIGHUP, as nats-server is. stop ends that.
func brokerSignals() (duck, reload <-chan os.Signal, stop func()) {
	d, r := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(d, syscall.SIGUSR2)
	signal.Notify(r, syscall.SIGHUP)
	return d, r, func() {
		signal.Stop(d)
		signal.Stop(r)
	}
}
