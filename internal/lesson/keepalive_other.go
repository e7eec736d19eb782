//go:build !linux

package lesson

import (
	"errors"
	"net"
)

// The experiments that come here need namespaces, which exist on Linux only.

func readKeepAlive(net.Conn) (KeepAlive, error) { return KeepAlive{}, errors.ErrUnsupported }

func countSegments(net.Conn) (segments, error) { return segments{}, errors.ErrUnsupported }

func systemKeepAlive() (KeepAlive, error) { return KeepAlive{}, errors.ErrUnsupported }
