//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// lameDuckSignal returns a channel that is told when the process is to go into
// lame duck mode: by SIGUSR2, as nats-server is. stop ends that.
func lameDuckSignal() (told <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR2)
	return c, func() { signal.Stop(c) }
}
