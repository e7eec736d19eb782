//go:build !unix

package broker

import "time"

// processorTime is not known here.
func processorTime() time.Duration { return 0 }
