package link

import (
	"time"

	"golang.org/x/sys/unix"
)

// suspended returns how long the machine has been suspended since it started:
// what CLOCK_BOOTTIME counts and CLOCK_MONOTONIC, Go's clock, leaves out
// (clock_gettime(2)). Read in this order it is too small, never too large, when
// we are interrupted in between.
func suspended() time.Duration {
	var boot, awake unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &awake) != nil {
		return 0
	}
	return time.Duration(boot.Nano() - awake.Nano())
}
