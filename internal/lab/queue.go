package lab

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"vigil/internal/fault"
)

// Queue measures the work that a queue group loses when the host of one member
// vanishes: no FIN, no RST, and a broker that goes on handing it its share. Each
// broker, and each member, is a process on a host of its own. The zero value of
// a field is its default.
type Queue struct {
	// Members is the size of the group. 0 is 4.
	Members int
	// Healthy is how long everything runs before the host vanishes. 0 is 5 s.
	Healthy time.Duration
	// Window is how long the run goes on behind that. 0 is 60 s.
	Window time.Duration
	// Interval is the time between two messages. 0 is 50 ms, 20 a second. The
	// more work there is, the sooner a broker's socket buffer for the dead is
	// full, and a write deadline finds what no probe has found yet.
	Interval time.Duration
	// Tell is given what happens, as it happens. Calls are not concurrent.
	Tell func(Line)
}

// maxMembers is what the switch has room for, beside the brokers.
const maxMembers = 100

func (q Queue) withDefaults() Queue {
	if q.Members == 0 {
		q.Members = 4
	}
	q.Healthy = orDefault(q.Healthy, 5*time.Second)
	q.Window = orDefault(q.Window, time.Minute)
	q.Interval = orDefault(q.Interval, 50*time.Millisecond)
	if q.Tell == nil {
		q.Tell = func(Line) {}
	}
	return q
}

// Length is how long the run takes once its processes are up.
func (q Queue) Length() time.Duration {
	q = q.withDefaults()
	return q.Healthy + q.Window
}

// Run runs the scenario on all brokers side by side and returns a result for
// each. The process must be isolated (fault.RunIsolated).
func (q Queue) Run(ctx context.Context) (losses []Loss, err error) {
	q = q.withDefaults()
	if q.Members < 2 || q.Members > maxMembers {
		return nil, fmt.Errorf("lab: queue: %d members: want 2 to %d", q.Members, maxMembers)
	}
	sw, err := fault.NewSwitch()
	if err != nil {
		return nil, fmt.Errorf("lab: queue: dropping a member's packets needs network namespaces: %w", err)
	}
	defer func() { err = errors.Join(err, sw.Close()) }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wg      sync.WaitGroup
		telling sync.Mutex // one Tell at a time
		ready   = newGate(len(Brokers()))
	)
	losses = make([]Loss, len(Brokers()))
	for k, name := range Brokers() {
		w := &work{Queue: q, broker: name, sw: sw, first: 2 + k*(q.Members+1), crew: newCrew(q.Members), telling: &telling}
		wg.Go(func() {
			loss, err := w.run(ctx, ready)
			if err != nil {
				cancel(fmt.Errorf("lab: queue: %s: %w", name, err))
			}
			losses[k] = loss
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return losses, nil
}

// work is the scenario on one broker. It is owned by run.
type work struct {
	Queue
	broker  string
	sw      *fault.Switch
	first   int // the number of the broker's host; the members' follow
	crew    *crew
	telling *sync.Mutex

	addr    string
	members []*fault.Host
	began   time.Time // of the healthy time: what was published before does not count
	crash   time.Time
}

func (w *work) run(ctx context.Context, ready *gate) (Loss, error) {
	w.crash = time.Now().Add(w.Healthy)
	if err := w.start(ctx); err != nil {
		return Loss{}, err
	}
	f := &feed{addr: w.addr, interval: w.Interval}
	if err := f.connect(ctx); err != nil {
		return Loss{}, err
	}
	feeding, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { f.run(feeding) })
	defer wg.Wait()
	defer stop()
	if err := w.crew.awaitAll(ctx); err != nil {
		return Loss{}, err
	}
	if err := ready.pass(ctx); err != nil {
		return Loss{}, err
	}
	if err := w.play(ctx, f); err != nil {
		return Loss{}, err
	}
	end, taken := time.Now(), f.taken()
	if err := f.failure(); err != nil {
		return Loss{}, err
	}
	stop()
	wg.Wait()
	if err := w.crew.settle(ctx); err != nil {
		return Loss{}, err
	}
	return w.addUp(taken, end), nil
}

// start starts the broker and the members, each on a host of its own.
func (w *work) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*startTimeout)
	defer cancel()
	host, err := w.sw.NewHost(w.first)
	if err != nil {
		return err
	}
	w.addr = host.Addr().String() + ":4222"
	if _, err := fault.StartProcess(ctx, fault.Command{Args: []string{ServeCommand, w.broker, w.addr}, Host: host}); err != nil {
		return err
	}
	for k := range w.Members {
		member, err := w.sw.NewHost(w.first + 1 + k)
		if err != nil {
			return err
		}
		if err := member.Meet(host); err != nil {
			return err
		}
		w.members = append(w.members, member)
		// What the member did comes by a pipe, which no packet filter stops.
		c := fault.Command{Args: []string{MemberCommand, w.addr}, Host: member, Stderr: w.crew.report(k)}
		if _, err := fault.StartProcess(ctx, c); err != nil {
			return fmt.Errorf("member %d: %w", k+1, err)
		}
	}
	return nil
}

// checkEvery is how often the work lost so far is told.
const checkEvery = 10 * time.Second

// play is the scenario itself.
func (w *work) play(ctx context.Context, f *feed) error {
	w.began = time.Now()
	w.crash = w.began.Add(w.Healthy)
	w.tell(Line{Text: fmt.Sprintf("%d members share %d messages a second", w.Members, time.Second/w.Interval), Good: true})
	if err := wait(ctx, w.Healthy); err != nil {
		return err
	}
	if lost := w.overdue(f); lost > 0 {
		return fmt.Errorf("%d messages were lost before anything happened", lost)
	}
	w.crash = time.Now()
	w.tell(Line{Text: fmt.Sprintf("VANISHED: the host of member %d; packets dropped, then SIGKILL; no FIN, no RST", w.Members), Bad: true})
	victim := w.members[w.Members-1]
	if err := victim.Drop(fault.Both); err != nil {
		return err
	}
	victim.Kill()
	for left := w.Window; left > 0; {
		if err := wait(ctx, min(left, checkEvery)); err != nil {
			return err
		}
		if left -= checkEvery; left > 0 {
			w.tell(Line{Text: fmt.Sprintf("%d messages lost so far", w.overdue(f)), Bad: true})
		}
	}
	return nil
}

// overdue counts the messages lost so far: taken a while ago, and not handled.
func (w *work) overdue(f *feed) int {
	const late = 2 * time.Second
	taken := f.taken()
	for len(taken) > 0 && time.Since(taken[len(taken)-1].at) < late {
		taken = taken[:len(taken)-1]
	}
	lost, _ := w.crew.lost(taken)
	return len(lost)
}

func (w *work) tell(l Line) {
	l.At, l.Broker = time.Since(w.crash), w.broker
	w.telling.Lock()
	defer w.telling.Unlock()
	w.Tell(l)
}

// addUp makes the result from what the broker had taken when the run ended.
func (w *work) addUp(taken []number, end time.Time) Loss {
	for len(taken) > 0 && taken[0].at.Before(w.began) {
		taken = taken[1:]
	}
	lost, twice := w.crew.lost(taken)
	l := Loss{
		Broker: w.broker, Mode: fault.PacketsDropped, Members: w.Members,
		WindowS: w.Window.Seconds(), PerS: float64(time.Second) / float64(w.Interval),
		Taken: len(taken), Lost: len(lost), Twice: twice,
	}
	if len(lost) == 0 {
		return l
	}
	last := lost[len(lost)-1].at
	l.LastLostMS = new(last.Sub(w.crash).Round(time.Millisecond).Milliseconds())
	if end.Sub(last) > time.Duration(dueBeforeEnd*w.Members)*w.Interval {
		return l
	}
	l.StillLosing = true
	latest := latestEnd(w.broker)
	l.ComputedMS = new(latest.Milliseconds())
	l.ComputedLost = new(int(latest.Seconds() * l.PerS / float64(w.Members)))
	return l
}

// dueBeforeEnd is how many messages a dead member that is not noticed has been
// handed on average in the time before the end of the run in which none would
// say that it was noticed.
const dueBeforeEnd = 10

// latestSuspect is when Vigil's broker, with its defaults, passes over a vanished
// member at the latest: it asks 1 s after the first message that the member was
// handed and did not answer to, and wants to hear within 0.5 s; and as long again
// for the choice to fall on that member at all.
const latestSuspect = 3 * time.Second

// latestEnd is when a broker, with its defaults, ceases to hand work to a
// vanished member that it learns nothing else of, at the latest.
func latestEnd(broker string) time.Duration {
	if broker == Vigil {
		return latestSuspect
	}
	return natsLatest
}
