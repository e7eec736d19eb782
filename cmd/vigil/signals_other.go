//go:build !unix

package main

import "os"

// brokerSignals returns nil: there are no such signals here.
func brokerSignals() (duck, reload <-chan os.Signal, stop func()) { return nil, nil, func() {} }
