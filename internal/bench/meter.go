package bench

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"
)

// meter reads what a process has used.
type meter struct{ pid int }

// cpu returns the processor time of the process, user and system, of all its
// threads since it began. It is not known on every system.
func (m meter) cpu() (time.Duration, bool) { return processTime(m.pid) }

// resident is the memory of the process that is resident, peak the most that
// ever was, both in KiB, or none where the system does not tell.
func (m meter) resident() float64 { return m.status("VmRSS") }
func (m meter) peak() float64     { return m.status("VmHWM") }

// Settling: what a broker needed only to set up is given back after a while.
const (
	settleStep  = 250 * time.Millisecond
	settleSteps = 4    // without a change
	settleMost  = 24   // steps at most
	settleShare = 0.01 // of the memory is no change
)

// settled waits until the resident memory no longer changes, or long enough,
// and returns it.
func (m meter) settled(ctx context.Context) (float64, error) {
	last, calm := m.resident(), 0
	for range settleMost {
		if err := pause(ctx, settleStep); err != nil {
			return none, err
		}
		now := m.resident()
		if calm++; math.Abs(now-last) > settleShare*last {
			calm = 0
		}
		if last = now; calm == settleSteps {
			break
		}
	}
	return last, nil
}

// pause lets time pass.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// status returns a figure of /proc/PID/status, in KiB.
func (m meter) status(name string) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.pid))
	if err != nil {
		return none
	}
	return statusField(text, name)
}

// statusField finds a figure in the text of /proc/PID/status.
func statusField(text []byte, name string) float64 {
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) == 3 && string(fields[0]) == name+":" {
			if kib, err := strconv.ParseFloat(string(fields[1]), 64); err == nil {
				return kib
			}
		}
	}
	return none
}
