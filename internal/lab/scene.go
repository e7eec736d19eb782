package lab

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"vigil/internal/fault"
)

// scene is an incident on one broker.
type scene struct {
	// Fixed after construction.
	Incident
	broker string
	site   fault.Site
	feed   *feed
	lines  chan<- Line
	left   chan struct{} // closed when the contenders are sent away: their last words are no news

	records []*record // owned by runOn

	mu    sync.Mutex
	crash time.Time // guarded by mu: planned or, once it happened, real
}

func (i Incident) runOn(ctx context.Context, name string, ready *gate, lines chan<- Line) (results []Result, err error) {
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
		lines:    lines,
		left:     make(chan struct{}),
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
	defer func() { close(s.left); leave(stops) }()
	if err != nil {
		return nil, err
	}
	if err := ready.pass(ctx); err != nil {
		return nil, err
	}
	end, taken, err := s.play(ctx)
	if err != nil {
		return nil, err
	}
	for k, c := range all {
		r := s.records[k].result(taken, c, end)
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
		joined, err := c.join(ctx, part{addr: s.site.Addr(), witness: rec})
		if err != nil {
			return stops, err
		}
		stops = append(stops, joined.close)
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

// play is the incident itself. It returns when it ended and what the brokers
// had taken by then.
func (s *scene) play(ctx context.Context) (end time.Time, taken []number, err error) {
	s.mu.Lock()
	s.crash = time.Now().Add(s.Healthy)
	s.mu.Unlock()
	s.tell(Line{Text: fmt.Sprintf("%d contenders receive %d messages a second", len(s.records), time.Second/s.Interval), Good: true})
	if err := wait(ctx, s.Healthy); err != nil {
		return end, taken, err
	}
	if err := s.vanish(); err != nil {
		return end, taken, err
	}
	if err := wait(ctx, s.Outage); err != nil {
		return end, taken, err
	}
	if err := s.comeBack(ctx); err != nil {
		return end, taken, err
	}
	if err := wait(ctx, s.Aftermath); err != nil {
		return end, taken, err
	}
	end, taken = time.Now(), s.feed.taken()
	s.settle(ctx, taken)
	return end, taken, s.feed.failure()
}

func (s *scene) vanish() error {
	at := time.Now()
	s.mu.Lock()
	s.crash = at
	s.mu.Unlock()
	for _, rec := range s.records {
		rec.crash(at)
	}
	s.tell(Line{Text: "CRASH: " + s.vanishing(), Bad: true})
	if err := s.site.Vanish(); err != nil {
		return fmt.Errorf("vanish: %w", err)
	}
	s.feed.disconnect()
	return nil
}

func (s *scene) comeBack(ctx context.Context) error {
	at := time.Now()
	// Nothing is published to a broker between here and the new one.
	for _, rec := range s.records {
		rec.comeBack(at, s.feed.offered())
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

// settle waits until the contenders that receive again have all that brokers
// had taken at the end of the run, so that none is blamed for what is on its way.
func (s *scene) settle(ctx context.Context, taken []number) {
	if len(taken) == 0 {
		return
	}
	last := taken[len(taken)-1].n
	ctx, cancel := context.WithTimeout(ctx, settleFor)
	defer cancel()
	for _, rec := range s.records {
		for ctx.Err() == nil {
			arrival := rec.arrival()
			if !rec.isResumed() || rec.has(last) {
				break
			}
			select {
			case <-arrival:
			case <-ctx.Done():
			}
		}
	}
}

func (s *scene) tell(l Line) {
	s.mu.Lock()
	l.At = time.Since(s.crash)
	s.mu.Unlock()
	l.Broker = s.broker
	select {
	case <-s.left:
		return
	default:
	}
	select {
	case s.lines <- l:
	case <-s.left:
	}
}
