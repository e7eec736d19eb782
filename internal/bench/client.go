package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// The scenarios of clients measure a client library instead of a broker: the
// contender is a process that uses the library against a broker of the bench's
// first contender, and this process plays the other side over raw sockets.
//
// Such a contender prints a control address once it is connected. Each line that
// it is told there is answered with a [report]:
//
//	report  nothing else
//	reset   latencies are counted from here on
//	stop    the work ends, and what it had begun is done
const (
	controlReport = "report\n"
	controlReset  = "reset\n"
	controlStop   = "stop\n"
)

// The subjects of these scenarios.
const (
	clientSubject  = "bench.flow"
	clientService  = "bench.service"
	clientSize     = 128
	clientRequests = exchangeSize
)

// report is what a client tells of itself.
type report struct {
	Ops     int64   `json:"ops"`     // messages received or published, or requests answered
	Mallocs uint64  `json:"mallocs"` // objects allocated since it began
	P50     float64 `json:"p50_us"`  // of the requests since the last reset, 0 for none
	P99     float64 `json:"p99_us"`
	Err     string  `json:"error"` // why the work ended, if it failed
}

// control is the connection over which a client is asked.
type control struct {
	mu sync.Mutex

	// Guarded by mu.
	nc    net.Conn
	lines *bufio.Scanner
}

// control dials the client's control address; its work begins with that.
func (t *target) control(ctx context.Context) (*control, error) {
	nc, err := (&net.Dialer{Timeout: setupTimeout}).DialContext(ctx, "tcp", t.addr)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	return &control{nc: nc, lines: bufio.NewScanner(nc)}, nil
}

// ask says a line and returns the answer.
func (c *control) ask(line string) (r report, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.nc.SetDeadline(time.Now().Add(setupTimeout)); err != nil {
		return r, err
	}
	if _, err := c.nc.Write([]byte(line)); err != nil {
		return r, fmt.Errorf("control: %w", err)
	}
	if !c.lines.Scan() {
		return r, fmt.Errorf("control: no answer: %w", errors.Join(c.lines.Err(), errors.New("the client ended")))
	}
	if err := json.Unmarshal(c.lines.Bytes(), &r); err != nil {
		return r, fmt.Errorf("control: %w", err)
	}
	if r.Err != "" {
		return r, fmt.Errorf("the client says: %s", r.Err)
	}
	return r, nil
}

func (c *control) close() { _ = c.nc.Close() }

// clientWindow measures the client for the warm-up and the window, while work
// goes on; failed says why it does not.
func (t *target) clientWindow(ctx context.Context, c *control, timing timing, failed <-chan error) (sample, error) {
	s := noSample()
	wait := func(d time.Duration) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case err := <-failed:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := wait(timing.warm); err != nil {
		return s, err
	}
	before, err := c.ask(controlReset)
	if err != nil {
		return s, err
	}
	at := before
	watch := startWatch(t.meter, func() int64 { return at.Ops })
	if err := wait(timing.window); err != nil {
		return s, err
	}
	if at, err = c.ask(controlReport); err != nil {
		return s, err
	}
	s.perSecond, s.cpu = watch.stop()
	s.peak = t.meter.peak()
	if done := at.Ops - before.Ops; done > 0 {
		s.allocs = float64(at.Mallocs-before.Mallocs) / float64(done)
	}
	if at.P50 > 0 {
		s.p50, s.p99 = at.P50, at.P99
	}
	return s, nil
}
