//go:build !unix

package bench

import "math"

// descriptors is how many sockets a process may have open: there is no limit
// here that would matter.
func descriptors() int { return math.MaxInt32 }
