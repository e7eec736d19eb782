package lab

import (
	"context"
	"fmt"
	"sync"
	"time"

	"vigil/internal/fault"
)

// FaultCrash is the incident: the host vanishes, its FIN never arrives, and it
// comes back with no memory of the old connections.
const FaultCrash = "crash-fin-lost"

// Incident rebuilds the crash. The zero value of a field is its default.
type Incident struct {
	// Mode is how the host vanishes; "" is packets-dropped where the kernel
	// allows it, else proxy.
	Mode fault.Mode
	// Healthy is how long everything runs before the crash. 0 is 2 s.
	Healthy time.Duration
	// Outage is how long the host stays away. 0 is 21 s: long enough for the
	// lesson's 19 s to run out.
	Outage time.Duration
	// Aftermath is how long the run goes on behind the host's return. 0 is
	// 13 s: long enough for the second keep-alive probe of Go's dialer, 30 s
	// behind the last byte, to draw the RST of the new host, and for nats.go
	// to reconnect upon it.
	Aftermath time.Duration
	// Interval is the time between two messages. 0 is 5 ms, 200 a second.
	Interval time.Duration
	// Tell is given what happens, as it happens. Calls are not concurrent and
	// end before Run returns; a slow one holds up no contender.
	Tell func(Line)
}

// Line is one line of the timeline.
type Line struct {
	// At is the time since the crash, negative before it.
	At     time.Duration
	Broker string
	// Contender is "" where the lab itself acts.
	Contender string
	Text      string
	// Good and Bad say which way the contender's fortunes turn.
	Good, Bad bool
}

func (i Incident) withDefaults() Incident {
	i.Healthy = orDefault(i.Healthy, 2*time.Second)
	i.Outage = orDefault(i.Outage, 21*time.Second)
	i.Aftermath = orDefault(i.Aftermath, 13*time.Second)
	i.Interval = orDefault(i.Interval, 5*time.Millisecond)
	if i.Tell == nil {
		i.Tell = func(Line) {}
	}
	return i
}

func orDefault(d, standard time.Duration) time.Duration {
	if d == 0 {
		return standard
	}
	return d
}

// vanishing says in a few words how the host vanishes.
func (i Incident) vanishing() string {
	if i.Mode == fault.Proxied {
		return "the proxy falls silent, then SIGKILL; no FIN, no RST"
	}
	return "packets dropped, then SIGKILL; no FIN, no RST"
}

// Length is how long the run takes once its brokers are up.
func (i Incident) Length() time.Duration {
	i = i.withDefaults()
	return i.Healthy + i.Outage + i.Aftermath
}

// ChooseMode returns the mode that an incident of the wanted mode runs in, and,
// when "" had to become proxy, the reason. It fails if the wanted mode cannot
// be had.
func ChooseMode(want fault.Mode) (mode fault.Mode, reason, err error) {
	if want == fault.Proxied {
		return want, nil, nil
	}
	best, reason := fault.Best()
	if want != "" && best != want {
		return "", nil, fmt.Errorf("lab: mode %s: %w; --mode %s works everywhere", want, reason, fault.Proxied)
	}
	return best, reason, nil
}

// Run runs the incident on all brokers side by side and returns a result for
// each broker and contender, in order.
func (i Incident) Run(ctx context.Context) ([]Result, error) {
	i = i.withDefaults()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wg, teller sync.WaitGroup
		lines      = make(chan Line, backlog)
		over       = make(chan struct{})
		results    = make([][]Result, len(Brokers()))
		ready      = newGate(len(Brokers()))
	)
	teller.Go(func() { i.tellAll(lines, over) })
	for k, name := range Brokers() {
		wg.Go(func() {
			r, err := i.runOn(ctx, name, ready, lines)
			if err != nil {
				cancel(fmt.Errorf("lab: %s: %w", name, err))
			}
			results[k] = r
		})
	}
	wg.Wait()
	close(over)
	teller.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	var all []Result
	for _, r := range results {
		all = append(all, r...)
	}
	return all, nil
}

// backlog is how many lines wait for a slow Tell before the contenders have to:
// a run has some fifty.
const backlog = 1024

// tellAll tells the lines that come until over is closed, and those that have
// come by then.
func (i Incident) tellAll(lines <-chan Line, over <-chan struct{}) {
	for {
		select {
		case l := <-lines:
			i.Tell(l)
			continue
		default:
		}
		select {
		case l := <-lines:
			i.Tell(l)
		case <-over:
			if len(lines) == 0 {
				return
			}
		}
	}
}

// gate lets all pass once all have arrived.
type gate struct {
	mu      sync.Mutex
	missing int
	open    chan struct{}
}

func newGate(n int) *gate { return &gate{missing: n, open: make(chan struct{})} }

func (g *gate) pass(ctx context.Context) error {
	g.mu.Lock()
	g.missing--
	if g.missing == 0 {
		close(g.open)
	}
	g.mu.Unlock()
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// wait waits for d, less if ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
