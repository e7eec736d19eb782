package lab

import (
	"context"
	"errors"
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
	// Tell is given what happens, as it happens; calls are not concurrent.
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

// Length is how long the run takes once its brokers are up.
func (i Incident) Length() time.Duration {
	i = i.withDefaults()
	return i.Healthy + i.Outage + i.Aftermath
}

// ChooseMode returns the mode that an incident of the wanted mode runs in, and,
// when "" had to become proxy, the reason.
func ChooseMode(want fault.Mode) (mode fault.Mode, reason error) {
	if want != "" {
		return want, nil
	}
	return fault.Best()
}

// Run runs the incident on all brokers side by side and returns a result for
// each broker and contender, in order.
func (i Incident) Run(ctx context.Context) ([]Result, error) {
	i = i.withDefaults()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wg      sync.WaitGroup
		telling sync.Mutex
		results = make([][]Result, len(Brokers()))
		ready   = newGate(len(Brokers()))
	)
	tell := i.Tell
	i.Tell = func(l Line) {
		telling.Lock()
		defer telling.Unlock()
		tell(l)
	}
	for k, name := range Brokers() {
		wg.Go(func() {
			r, err := i.runOn(ctx, name, ready)
			if err != nil {
				cancel(fmt.Errorf("lab: %s: %w", name, err))
			}
			results[k] = r
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	var all []Result
	for _, r := range results {
		all = append(all, r...)
	}
	return all, nil
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

// scene is an incident on one broker.
type scene struct {
	Incident
	broker  string
	site    fault.Site
	feed    *feed
	records []*record

	mu    sync.Mutex
	crash time.Time // planned or, once it happened, real
}

func (i Incident) runOn(ctx context.Context, name string, ready *gate) (results []Result, err error) {
	site, err := fault.NewSite(i.Mode)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, site.Close()) }()
	s := &scene{
		Incident: i,
		broker:   name,
		site:     site,
		feed:     &feed{addr: site.Addr(), interval: i.Interval},
		crash:    time.Now().Add(i.Healthy),
	}
	if err := s.startBroker(ctx); err != nil {
		return nil, err
	}
	feeding, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { s.feed.run(feeding) })
	defer wg.Wait()
	defer stop()

	all := contenders()
	stops, err := s.enter(ctx, all)
	defer func() { leave(stops) }()
	if err != nil {
		return nil, err
	}
	if err := ready.pass(ctx); err != nil {
		return nil, err
	}
	end, err := s.play(ctx)
	if err != nil {
		return nil, err
	}
	for k, c := range all {
		r := s.records[k].result(s.feed, c, end)
		r.Broker, r.Fault, r.Mode = name, FaultCrash, i.Mode
		results = append(results, r)
	}
	return results, nil
}

// startBroker starts the broker process on the site, and feeds it.
func (s *scene) startBroker(ctx context.Context) error {
	starting, cancel := context.WithTimeout(ctx, 2*startTimeout)
	defer cancel()
	if _, err := s.site.Start(starting, command(s.broker)); err != nil {
		return err
	}
	return s.feed.connect(starting)
}

// enter lets every contender subscribe and waits until each receives.
func (s *scene) enter(ctx context.Context, all []contender) (stops []func(), err error) {
	for _, c := range all {
		rec := newRecord(c.name, func(text string, good bool) {
			s.tell(Line{Contender: c.name, Text: text, Good: good, Bad: !good})
		})
		stop, err := c.listen(ctx, s.site.Addr(), rec)
		if err != nil {
			return stops, err
		}
		stops = append(stops, stop)
		s.records = append(s.records, rec)
	}
	for _, rec := range s.records {
		if err := awaitFirst(ctx, rec); err != nil {
			return stops, err
		}
	}
	return stops, nil
}

// awaitFirst waits until a contender has received something.
func awaitFirst(ctx context.Context, rec *record) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		arrival := rec.arrival()
		if rec.count() > 0 {
			return nil
		}
		select {
		case <-arrival:
		case <-ctx.Done():
			return fmt.Errorf("%s received nothing before the crash: %w", rec.contender, context.Cause(ctx))
		}
	}
}

// leave stops the contenders side by side: one that is deaf may take its time.
func leave(stops []func()) {
	var wg sync.WaitGroup
	for _, stop := range stops {
		wg.Go(stop)
	}
	wg.Wait()
}

// play is the incident itself. It returns when it ended.
func (s *scene) play(ctx context.Context) (end time.Time, err error) {
	s.mu.Lock()
	s.crash = time.Now().Add(s.Healthy)
	s.mu.Unlock()
	s.tell(Line{Text: fmt.Sprintf("%d contenders receive %d messages a second", len(s.records), time.Second/s.Interval), Good: true})
	if err := wait(ctx, s.Healthy); err != nil {
		return end, err
	}
	if err := s.vanish(); err != nil {
		return end, err
	}
	if err := wait(ctx, s.Outage); err != nil {
		return end, err
	}
	if err := s.comeBack(ctx); err != nil {
		return end, err
	}
	if err := wait(ctx, s.Aftermath); err != nil {
		return end, err
	}
	end = time.Now()
	return end, s.settle(ctx, end)
}

func (s *scene) vanish() error {
	at := time.Now()
	s.mu.Lock()
	s.crash = at
	s.mu.Unlock()
	for _, rec := range s.records {
		rec.crash(at)
	}
	if err := s.site.Vanish(); err != nil {
		return fmt.Errorf("vanish: %w", err)
	}
	s.feed.disconnect()
	s.tell(Line{Text: "CRASH: packets dropped, then SIGKILL; no FIN, no RST", Bad: true})
	return nil
}

func (s *scene) comeBack(ctx context.Context) error {
	at := time.Now()
	for _, rec := range s.records {
		rec.comeBack(at)
	}
	if err := s.site.Return(); err != nil {
		return fmt.Errorf("return: %w", err)
	}
	if err := s.startBroker(ctx); err != nil {
		return err
	}
	s.tell(Line{Text: "the host is back with a new broker, and no memory of the old connections", Good: true})
	return nil
}

// settleFor is how long a contender that receives again has to catch up with
// what was published before the end of the run.
const settleFor = 2 * time.Second

// settle waits until the contenders that receive again have all that was
// published before the end, so that none is blamed for what is on its way.
func (s *scene) settle(ctx context.Context, end time.Time) error {
	last := -1
	s.feed.confirmed(func(n int, at time.Time) {
		if at.Before(end) {
			last = n
		}
	})
	ctx, cancel := context.WithTimeout(ctx, settleFor)
	defer cancel()
	for _, rec := range s.records {
		for rec.isResumed() && !rec.has(last) && ctx.Err() == nil {
			arrival := rec.arrival()
			if rec.has(last) {
				break
			}
			select {
			case <-arrival:
			case <-ctx.Done():
			}
		}
	}
	return nil
}

func (s *scene) tell(l Line) {
	s.mu.Lock()
	l.At = time.Since(s.crash)
	s.mu.Unlock()
	l.Broker = s.broker
	s.Tell(l)
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
