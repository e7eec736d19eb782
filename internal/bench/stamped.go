package bench

import (
	"bytes"
	"fmt"
	"time"
)

// stamped is the checker of deliveries that tell when they were published: the
// payload begins with it, in microseconds of the round.
type stamped struct {
	// Fixed after construction.
	like  []byte // a delivery, whatever its time
	stamp int    // where the time stands
	now   func() time.Duration
	// seconds take what arrives, by the second of the round; the last one takes
	// what comes before or after it.
	seconds []histogram

	taken int64
}

// stampDigits is how many digits a time has.
const stampDigits = numberDigits

func (s *stamped) frames() int64 { return s.taken }
func (s *stamped) first() byte   { return s.like[0] }

func (s *stamped) take(b []byte) (n int, err error) {
	now := s.now()
	second := int(now / time.Second)
	if now < 0 || second >= len(s.seconds) {
		second = len(s.seconds) - 1 // before and after the round
	}
	end := s.stamp + stampDigits
	for len(b)-n >= len(s.like) && b[n] == s.like[0] {
		frame := b[n : n+len(s.like)]
		if !bytes.Equal(frame[:s.stamp], s.like[:s.stamp]) || !bytes.Equal(frame[end:], s.like[end:]) {
			return n, &frameError{number: s.taken, got: clip(frame), want: clip(s.like)}
		}
		published, err := readDigits(frame[s.stamp:end])
		if err != nil {
			return n, fmt.Errorf("delivery %d: %w", s.taken, err)
		}
		s.seconds[second].add(now - time.Duration(published)*time.Microsecond)
		s.taken++
		n += len(frame)
	}
	return n, nil
}
