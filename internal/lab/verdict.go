package lab

import (
	"fmt"
	"time"
)

// Promise is what Vigil's subscriber promises by default: a vanished broker is
// noticed within it, counted from the last byte heard.
const Promise = 2 * time.Second

// eventSlack is how much later than the subscriber knew the lab may hear of it,
// on a busy machine.
const eventSlack = 500 * time.Millisecond

// Verdict returns nil if Vigil's subscriber, with its defaults, kept its word
// in all results: it noticed within [Promise] by its own account and by the
// lab's clock, received again, and every message it missed lies within a deaf
// window that it reported.
func Verdict(results []Result) error {
	judged := 0
	for _, r := range results {
		if r.Contender != "vigil" {
			continue
		}
		judged++
		if err := r.judge(); err != nil {
			return fmt.Errorf("lab: vigil's subscriber on %s: %w", r.Broker, err)
		}
	}
	if judged == 0 {
		return fmt.Errorf("lab: vigil's subscriber did not take part")
	}
	return nil
}

func (r Result) judge() error {
	switch {
	case r.DetectedMS == nil || r.SilenceMS == nil:
		return fmt.Errorf("did not notice the crash within the run")
	case *r.SilenceMS > Promise.Milliseconds():
		return fmt.Errorf("noticed after %d ms of silence, later than the promised %v", *r.SilenceMS, Promise)
	case r.unheard() > Promise+eventSlack:
		return fmt.Errorf("noticed %v after its last message, though it says %d ms of silence", r.unheard(), *r.SilenceMS)
	case !r.Resumed:
		return fmt.Errorf("did not receive again after the broker was back")
	case r.Uncovered == nil:
		return fmt.Errorf("reported no deaf window")
	case *r.Uncovered > 0:
		return fmt.Errorf("%d missed messages lie outside the deaf window it reported", *r.Uncovered)
	}
	return nil
}

// unheard is how long the contender had received nothing when it noticed, as
// the lab saw it.
func (r Result) unheard() time.Duration {
	return time.Duration(*r.DetectedMS)*time.Millisecond - r.DeafFrom
}
