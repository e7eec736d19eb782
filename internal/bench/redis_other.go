//go:build !linux

package bench

import (
	"errors"
	"io"
)

// errRedis is why Redis is measured on Linux only.
var errRedis = errors.New("on this system a redis-server could outlive the run")

// FindRedis returns the reason why Redis is not measured here.
func FindRedis() (string, error) { return "", errRedis }

// BecomeRedis returns the reason why Redis is not measured here.
func BecomeRedis(string, io.Writer) error { return errRedis }
