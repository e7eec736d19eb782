//go:build unix

package bench

import (
	"math"
	"syscall"
)

// descriptors is how many files this process, and one that it starts, may have
// open. The runtime has raised the limit as far as it may be.
func descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}
