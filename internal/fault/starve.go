package fault

import (
	"fmt"
	"sync"
)

// Starvation is a lack of processor time that Process.Starve has made. It ends
// with the process, too.
type Starvation struct {
	stop func() // tells the owner to end it; may be called again
	done chan struct{}

	// Written by the owner before done is closed, read after.
	err error
}

const (
	// minShare is the smallest share of a processor that the kernel grants.
	minShare = 0.01
	// maxShare is the largest that a busy neighbour is sure to use up.
	maxShare = 0.9
)

// Starve leaves the child, and with it a busy neighbour on each processor, a
// share of one processor between them, 0.01 to 0.9, until End: the child runs,
// but late, as in a container with too small a limit. When Starve returns they
// have used up their share a few times, or a second has passed. With 0.02 the child waits for a tenth
// of a second or a few whenever it has something to do. It takes a
// control group, of version 1 or 2, that this process may make (which needs
// root), and a shell; without them, and on other systems than Linux, the error
// is an *UnsupportedError.
func (p *Process) Starve(share float64) (*Starvation, error) {
	if !(share >= minShare && share <= maxShare) {
		return nil, fmt.Errorf("fault: starve process %d: share %v is not within %v to %v", p.PID(), share, minShare, maxShare)
	}
	stop := make(chan struct{})
	s := &Starvation{stop: sync.OnceFunc(func() { close(stop) }), done: make(chan struct{})}
	started := make(chan error, 1)
	// Owned by s; ends when s or p does; s.done waits for it.
	go func() {
		defer close(s.done)
		s.err = starve(p, share, stop, started)
	}()
	if err := <-started; err != nil {
		<-s.done
		return nil, err
	}
	return s, nil
}

// End gives the child its processors back, and waits until nothing is left of
// the neighbours and the group. It may be called again.
func (s *Starvation) End() error {
	s.stop()
	<-s.done
	if s.err != nil {
		return fmt.Errorf("fault: end starvation: %w", s.err)
	}
	return nil
}
