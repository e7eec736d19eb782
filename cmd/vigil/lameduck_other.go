//go:build !unix

package main

import "os"

// lameDuckSignal returns nil: there is no such signal here.
func lameDuckSignal() (told <-chan os.Signal, stop func()) { return nil, func() {} }
