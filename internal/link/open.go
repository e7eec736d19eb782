package link

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// dialAgain is how long a dial is given before another one is started
	// beside it. A kernel repeats a SYN that got lost after a second, then
	// after two more: whoever relies on that finds a host that came back that
	// much later.
	dialAgain = 250 * time.Millisecond
	// maxDials bounds the dials under way at the same time: with their
	// repetitions a second later, four leave no gap in the default
	// AttemptTimeout.
	maxDials = 4
	// maxRepeats bounds the dials of the process beside the first of each
	// attempt. When so many are not answered, it is not for a SYN that got
	// lost, and a broker that is back must not be met by all of them.
	maxRepeats = 256
)

// repeats counts these dials.
var repeats atomic.Int64

// open opens the transport. While nothing is heard of the host, not even a
// refusal, another dial is started each dialAgain; the first answer counts, and
// the others are given up. ctx bounds them all.
func (l *Link) open(ctx context.Context, address string) (net.Conn, error) {
	type answer struct {
		nc  net.Conn
		err error
	}
	answers := make(chan answer, maxDials) // room for all: none blocks
	var dials sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		dials.Wait()
		close(answers)
		for late := range answers {
			if late.err == nil {
				late.nc.Close() // came second, nothing was said on it
			}
		}
	}()
	timer := time.NewTicker(dialAgain)
	defer timer.Stop()
	for n := 0; ; {
		first := n == 0
		if first || n < maxDials && repeats.Add(1) <= maxRepeats {
			n++
			// Owned by this call, which waits for it. Ends with its dial, at
			// the latest with ctx.
			dials.Go(func() {
				nc, err := l.cfg.Dial(ctx, "tcp", address)
				if !first {
					repeats.Add(-1)
				}
				answers <- answer{nc, err}
			})
		} else if n < maxDials {
			repeats.Add(-1)
		}
		select {
		case first := <-answers:
			if !unreachable(first.err) || ctx.Err() != nil {
				return first.nc, first.err
			}
			n--
			select {
			case <-timer.C:
			case <-ctx.Done():
				return nil, first.err
			}
		case <-timer.C:
		}
	}
}

// unreachable reports whether it was not the host that answered, but our own
// kernel or a router, for want of it: it may be there the next moment.
func unreachable(err error) bool { return errors.Is(err, syscall.EHOSTUNREACH) }
