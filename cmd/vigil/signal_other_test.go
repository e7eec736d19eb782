//go:build !unix

package main

import "syscall"

// stopSignals are none where processes cannot be sent any.
var stopSignals []syscall.Signal
