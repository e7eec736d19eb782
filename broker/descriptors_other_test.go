//go:build !unix

package broker

import "errors"

// limitDescriptors fails: there is no such limit here.
func limitDescriptors() error { return errors.ErrUnsupported }
