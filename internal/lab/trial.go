package lab

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"vigil/internal/fault"
)

// trial is one fault that several contenders face, side by side, at one broker
// and in one activity. Each contender, and each node of the broker, is a process
// on a host of its own.
type trial struct {
	// Fixed after construction.
	Matrix
	sw       *fault.Switch
	way      way
	broker   string
	activity Activity
	run      int
	all      []contender

	placing sync.Mutex
	numbers []int  // guarded by placing: of the hosts that it may make
	scratch string // the directory for servers' files

	// Owned by perform, and by the way that it calls.
	node        *node   // to which the contenders are connected
	others      []*node // the rest of a cluster
	contestants []*contestant
	feed        *feed
	ear         *ear
	// confined is set if the feed and the ear are at the node, too, so that
	// they lose their broker with it.
	confined bool
	ended    time.Time // when the fault was undone
}

// node is one broker process and its host.
type node struct {
	host *fault.Host
	proc *fault.Process
	args []string
}

func (n *node) addr() string { return n.host.Addr().String() + ":4222" }

// start starts the broker's process.
func (n *node) start(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*startTimeout)
	defer cancel()
	n.proc, err = fault.StartProcess(ctx, fault.Command{Args: n.args, Host: n.host})
	return err
}

// contestant is one contender in a trial.
type contestant struct {
	contender
	host       *fault.Host
	proc       *fault.Process
	watcher    *fault.Process // of a program of somebody's own, otherwise nil
	diary      *diary
	began      time.Time // when the fault struck it
	starvation *fault.Starvation
	idleBytes  *float64 // a second, if they were counted
}

// hosts is how many hosts a trial needs.
func (t *trial) hosts() int {
	if t.broker == NATSCluster {
		return clusterSize + len(t.all)
	}
	return 1 + len(t.all)
}

// loads reports whether the trial keeps the machine busy.
func (t *trial) loads() bool { return t.activity == Publishing }

// String names the trial.
func (t *trial) String() string {
	return fmt.Sprintf("%s on %s, %s", t.way.name, t.broker, t.activity)
}

// length is how long it takes, at most but for what starts and ends it.
func (t *trial) length() time.Duration {
	return t.healthy() + t.outage() + t.aftermath() + trialOverhead
}

// trialOverhead is what starting and ending a trial takes, roughly.
const trialOverhead = 2 * time.Second

// outage is how long the fault lasts at most.
func (t *trial) outage() time.Duration {
	if !t.way.dead {
		return t.Watch
	}
	longest := t.Outage
	if t.activity == Publishing && !t.Full {
		longest = min(longest, publishingOutage)
	}
	if t.Full {
		for _, c := range t.all {
			latest, ok := t.latest(c)
			if !ok {
				latest = max(c.worst, longestUnclear)
			}
			longest = max(longest, latest+fullMargin)
		}
	}
	return longest
}

// publishingOutage is how long a broker is away at most from contenders that
// publish, unless it is to be waited for: such trials come one after the other.
const publishingOutage = 10 * time.Second

// fullMargin is what is waited for on top of what was computed.
const fullMargin = 10 * time.Second

// longestUnclear is what is waited for where nothing can be computed: longer than
// an orphan takes to give up, about 100 s, and nats.go in a full socket, 60 to
// 300 s.
const longestUnclear = 5 * time.Minute

// retransmission is what Linux takes by default, tcp_retries2 = 15, until it
// gives up a connection on which what was sent is not acknowledged.
const retransmission = 924600 * time.Millisecond

// latest is when a contender notices a fault by itself at the latest, computed;
// 0 is never, and ok is false if nobody can say.
func (t *trial) latest(c contender) (d time.Duration, ok bool) {
	switch {
	case !t.way.silent:
		return 0, false // it depends on when it sends
	case c.kernel && t.way.acknowledged:
		return 0, true // its kernel has nothing to complain of
	case c.kernel && t.way.unclear:
		return 0, false
	case t.activity != Publishing:
		return c.worst, c.command == ""
	case c.name == userTimeoutName:
		return userTimeout, true
	case c.kernel: // keep-alive waits for as long as something is unacknowledged
		return retransmission, true
	}
	return c.worst, !c.blocks
}

// perform runs the trial.
func (t *trial) perform(ctx context.Context) (cells []Cell, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer func() {
		cancel()
		background.Wait()
		err = errors.Join(err, t.clear())
	}()
	if err := t.prepare(ctx, &background); err != nil {
		return nil, err
	}
	if t.activity == IdleActivity {
		t.feed.setQuiet(true)
	}
	if err := wait(ctx, t.healthy()); err != nil {
		return nil, err
	}
	if err := t.way.begin(ctx, t); err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	if err := t.observe(ctx); err != nil {
		return nil, err
	}
	t.ended = time.Now()
	if err := t.way.end(ctx, t); err != nil {
		return nil, fmt.Errorf("end: %w", err)
	}
	t.feed.setQuiet(false)
	if err := wait(ctx, t.aftermath()); err != nil {
		return nil, err
	}
	end, taken := time.Now(), t.feed.taken()
	t.settle(ctx, taken)
	if err := t.feed.failure(); err != nil {
		return nil, err
	}
	t.dismiss()
	for _, x := range t.contestants {
		cells = append(cells, t.cell(x, end, taken))
	}
	return cells, nil
}

// prepare starts the broker and the contenders and waits until all receive.
func (t *trial) prepare(ctx context.Context, background *sync.WaitGroup) error {
	if err := t.startBroker(ctx); err != nil {
		return err
	}
	t.feed = &feed{addr: t.node.addr(), interval: matrixInterval, size: t.way.size}
	t.ear = &ear{addr: t.node.addr()}
	t.confined = true
	if len(t.others) > 0 {
		t.feed.addr, t.ear.addr, t.confined = t.others[0].addr(), t.others[0].addr(), false
	}
	if err := t.listen(ctx); err != nil {
		return err
	}
	background.Go(func() { t.feed.run(ctx) })
	for _, c := range t.all {
		t.contestants = append(t.contestants, &contestant{contender: c, diary: newDiary()})
	}
	return t.each(func(x *contestant) error { return t.enter(ctx, x) })
}

// listen connects the feed and the ear.
func (t *trial) listen(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := t.feed.connect(ctx); err != nil {
		return err
	}
	return t.ear.connect(ctx)
}

// startBroker makes the hosts of the broker and starts it.
func (t *trial) startBroker(ctx context.Context) error {
	if t.broker == NATSCluster {
		return t.startCluster(ctx)
	}
	host, err := t.newHost(false)
	if err != nil {
		return err
	}
	t.node = &node{host: host}
	t.node.args = []string{ServeCommand, t.broker, t.node.addr()}
	if t.way.lameDuck {
		t.node.args = append(t.node.args, "--"+LameDuckFlag)
	}
	if t.keepsFiles() {
		t.node.args = append(t.node.args, "--"+JetStreamFlag, filepath.Join(t.scratch, strconv.Itoa(int(host.Addr().As4()[3]))))
	}
	return t.node.start(ctx)
}

// keepsFiles reports whether its broker needs a directory.
func (t *trial) keepsFiles() bool {
	return slices.ContainsFunc(t.all, func(c contender) bool { return c.streams })
}

// newHost makes the next host.
func (t *trial) newHost(routed bool) (*fault.Host, error) {
	t.placing.Lock()
	n := t.numbers[0]
	t.numbers = t.numbers[1:]
	t.placing.Unlock()
	if routed {
		return t.sw.NewHostBehindRouter(n)
	}
	return t.sw.NewHost(n)
}

// enter starts a contender and waits until it receives.
func (t *trial) enter(ctx context.Context, x *contestant) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", x.name, err)
		}
	}()
	if x.host, err = t.newHost(t.way.routed); err != nil {
		return err
	}
	if err := t.meetAll(x.host); err != nil {
		return err
	}
	if t.way.relayed {
		if err := x.host.Impair(fault.Both, relayed); err != nil {
			return err
		}
	}
	starting, cancel := context.WithTimeout(ctx, 2*startTimeout)
	defer cancel()
	if x.command != "" {
		return t.enterProgram(starting, x)
	}
	to := ""
	if t.activity == Publishing {
		to = earSubject + earName(x.name)
	}
	command := fault.Command{Args: []string{ContendCommand, x.name, t.node.addr(), to}, Host: x.host, Stderr: x.diary}
	if x.natsJS != nil {
		if command, err = t.natsJSCommand(x, to); err != nil {
			return err
		}
	}
	if x.proc, err = fault.StartProcess(starting, command); err != nil {
		return err
	}
	return x.diary.awaitFirst(ctx)
}

// earName makes a contender's name a token of a subject.
func earName(name string) string {
	return strings.NewReplacer(".", "_", " ", "_", ">", "_", "*", "_").Replace(name)
}

func (t *trial) meetAll(host *fault.Host) error {
	for _, n := range append([]*node{t.node}, t.others...) {
		if err := host.Meet(n.host); err != nil {
			return err
		}
	}
	return nil
}

// each does f for all contestants side by side.
func (t *trial) each(f func(*contestant) error) error {
	errs := make([]error, len(t.contestants))
	var wg sync.WaitGroup
	for k, x := range t.contestants {
		wg.Go(func() { errs[k] = f(x) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// strikeEach is each, for a fault that has begun when f returns.
func (t *trial) strikeEach(f func(*contestant) error) error {
	return t.each(func(x *contestant) error {
		err := f(x)
		x.began = time.Now()
		return err
	})
}

// strike says that the fault begins now, for all.
func (t *trial) strike() {
	now := time.Now()
	for _, x := range t.contestants {
		x.began = now
	}
}

// stopListening takes the feed and the ear away before the broker loses them.
func (t *trial) stopListening() {
	if t.confined {
		t.feed.disconnect()
		t.ear.disconnect()
	}
}

// bringHostBack boots the node's host again, with nothing on it.
func (t *trial) bringHostBack() error {
	if err := t.node.host.Reboot(); err != nil {
		return err
	}
	for _, n := range t.others {
		if err := t.node.host.Meet(n.host); err != nil {
			return err
		}
	}
	return t.each(func(x *contestant) error { return x.host.Meet(t.node.host) })
}

// startAgain starts a new broker on the node.
func (t *trial) startAgain(ctx context.Context) error {
	if err := t.node.start(ctx); err != nil {
		return err
	}
	if !t.confined {
		return nil
	}
	return t.listen(ctx)
}

// observe waits until the fault has lasted for as long as it is to: until all
// have noticed, where it is right to notice, and otherwise for Watch.
func (t *trial) observe(ctx context.Context) error {
	if !t.way.dead {
		if t.way.name != healthyWay || t.activity != IdleActivity {
			return wait(ctx, t.outage())
		}
		return t.countIdle(ctx)
	}
	watching, cancel := context.WithTimeout(ctx, t.outage())
	defer cancel()
	if err := t.each(func(x *contestant) error { x.diary.await(watching, eventLost, x.began); return nil }); err != nil {
		return err
	}
	if watching.Err() == nil { // what follows a verdict is part of it
		return wait(ctx, minOutage)
	}
	return context.Cause(ctx)
}

// minOutage is how long a fault lasts when all have noticed it.
const minOutage = time.Second

// countIdle counts what idle connections cost.
func (t *trial) countIdle(ctx context.Context) error {
	return t.each(func(x *contestant) error {
		before, err := readOctets(x.proc.PID())
		if err != nil {
			return err
		}
		began := time.Now()
		if err := wait(ctx, t.outage()); err != nil {
			return err
		}
		after, err := readOctets(x.proc.PID())
		if err != nil {
			return err
		}
		x.idleBytes = new(float64(after-before) / time.Since(began).Seconds())
		return nil
	})
}

// settle waits until the contenders that receive again have the last number
// that was taken, so that none is blamed for what is on its way.
func (t *trial) settle(ctx context.Context, taken []number) {
	if len(taken) == 0 {
		return
	}
	last := taken[len(taken)-1]
	ctx, cancel := context.WithTimeout(ctx, settleFor)
	defer cancel()
	_ = t.each(func(x *contestant) error { x.diary.awaitNumber(ctx, last.n); return nil })
}

// dismiss tells the contenders to end, and waits for their last words.
func (t *trial) dismiss() {
	_ = t.each(func(x *contestant) error {
		if err := x.proc.Terminate(); err != nil {
			return err
		}
		select {
		case <-x.proc.Done():
		case <-time.After(2 * settleFor):
		}
		return nil
	})
}

// clear takes everything away.
func (t *trial) clear() error {
	if t.ear != nil {
		t.ear.close()
	}
	hosts := []*fault.Host{}
	for _, x := range t.contestants {
		hosts = append(hosts, x.host)
	}
	for _, n := range append(slices.Clone(t.others), t.node) {
		if n != nil {
			hosts = append(hosts, n.host)
		}
	}
	errs := make([]error, len(hosts))
	var wg sync.WaitGroup
	for k, h := range hosts {
		if h != nil {
			wg.Go(func() { errs[k] = h.Close() })
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// cell adds up what a contestant made of the fault.
func (t *trial) cell(x *contestant, end time.Time, taken []number) Cell {
	latest, known := t.latest(x.contender)
	p := protocol{
		contender: x.contender, way: t.way, activity: t.activity, latest: latest, latestKnown: known,
		events: x.diary.all(), taken: taken, began: x.began, ended: t.ended, end: end,
	}
	c := p.judge()
	c.Broker, c.Run, c.IdleBytesPerS = t.broker, t.run, x.idleBytes
	if t.activity == Publishing && x.command == "" {
		if n, err := t.ear.missing(earName(x.name), p.published()); err == nil {
			c.PublishedLost = &n
		}
	}
	c.Broken = c.broken()
	return c
}
