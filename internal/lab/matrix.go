package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"vigil/internal/fault"
)

// Matrix lets every contender face every fault at every broker, and judges. The
// zero value of a field is its default.
type Matrix struct {
	// Faults, Contenders, Brokers and Activities choose what takes part, by
	// name; nil is all, but for what follows. A contender may also be one of
	// NATSName. The default of activities is to have them all with the faults
	// that show the difference, and to receive with the others.
	Faults, Contenders, Brokers []string
	Activities                  []Activity
	// NATSJS is where natsjs.Install has installed nats.js. It has to be called
	// before the process is isolated. "" is nowhere: then nats.js takes part only
	// if it is asked for, which is an error.
	NATSJS string
	// Absent are contenders that would take part by default and cannot here, with
	// the reason: the report lists them as skipped.
	Absent []string
	// Programs are command lines of NATS clients of somebody's own, run by a
	// shell, with URLPlaceholder for the broker's URL. Each is a contender.
	Programs []string
	// Repeat is how often everything is done. 0 is once.
	Repeat int
	// Quick is for a first look: a few contenders, which only receive, and
	// short faults. Full waits until every contender has noticed, as long as
	// that takes by its settings.
	Quick, Full bool
	// Watch is how long a fault lasts that is none of the broker's, and so the
	// time over which false alarms are counted. 0 is 20 s, 5 s if Quick, 60 s if
	// Full.
	Watch time.Duration
	// Outage is how long a broker is away at most. 0 is 21 s, 5 s if Quick.
	Outage time.Duration
	// Tell is given the progress. Calls are not concurrent.
	Tell func(Progress)

	extra []contender // take part as well: for tests of the judge
}

// Progress is how far a matrix is.
type Progress struct {
	// Done and All count trials.
	Done, All int
	// Left is an estimate of the time left.
	Left time.Duration
	// What has ended last.
	What string
}

// Findings are what a matrix has found.
type Findings struct {
	Cells []Cell
	// Skipped are the trials that this machine cannot do, or was too busy for,
	// with the reason, and Failed those that went wrong.
	Skipped, Failed []string
}

// matrixInterval is the time between two messages of the matrix's feeds.
const matrixInterval = 50 * time.Millisecond

// What may run at the same time, so that the trials do not disturb each other.
const (
	// mostHosts is what a switch has room for, from firstHost on.
	mostHosts = 250
	firstHost = 2
	// mostContenders bounds the processes.
	mostContenders = 110
	// mostLoads bounds the trials that keep the machine busy, and fullLoads those
	// of a full matrix: they are loud for seconds and then wait, with full sockets,
	// for a quarter of an hour.
	mostLoads = 1
	fullLoads = 4
)

// loads returns how many trials may keep the machine busy at the same time.
func (m Matrix) loads() int {
	if m.Full {
		return fullLoads
	}
	return mostLoads
}

// quickContenders take part in a quick matrix.
var quickContenders = []string{"vigil", "vigil-1s", "nats.go", "nats.go-1s", "keepalive-1/1/3"}

func (m Matrix) withDefaults() Matrix {
	m.Repeat = max(m.Repeat, 1)
	switch {
	case m.Quick:
		m.Watch, m.Outage = orDefault(m.Watch, 5*time.Second), orDefault(m.Outage, 5*time.Second)
	case m.Full:
		m.Watch, m.Outage = orDefault(m.Watch, time.Minute), orDefault(m.Outage, 21*time.Second)
	default:
		m.Watch, m.Outage = orDefault(m.Watch, 20*time.Second), orDefault(m.Outage, 21*time.Second)
	}
	if m.Contenders == nil {
		for _, c := range everybody() {
			if c.natsJS == nil || m.NATSJS != "" {
				m.Contenders = append(m.Contenders, c.name)
			}
		}
		if m.Quick {
			m.Contenders = quickContenders
		}
	}
	if m.Activities == nil && m.Quick {
		m.Activities = []Activity{Receiving}
	}
	if m.Tell == nil {
		m.Tell = func(Progress) {}
	}
	return m
}

// healthy is how long everything runs before the fault.
func (m Matrix) healthy() time.Duration { return time.Second }

// aftermath is how long it runs behind the end of the fault: long enough for
// nats.go to reconnect, 2 s after it noticed.
func (m Matrix) aftermath() time.Duration { return 4 * time.Second }

// MatrixBrokers lists the brokers of the matrix.
func MatrixBrokers() []string { return append(Brokers(), NATSCluster) }

// plan returns the trials, and an error that says what is not known.
func (m Matrix) plan() ([]*trial, error) {
	faults, err := choose("fault", m.Faults, Faults())
	if err != nil {
		return nil, err
	}
	brokers, err := choose("broker", m.Brokers, MatrixBrokers())
	if err != nil {
		return nil, err
	}
	var names []string
	for _, a := range m.Activities {
		names = append(names, string(a))
	}
	if _, err := choose("activity", names, []string{string(IdleActivity), string(Receiving), string(Publishing)}); err != nil {
		return nil, err
	}
	var all []contender
	for _, name := range m.Contenders {
		c, err := contenderNamed(name)
		if err != nil {
			return nil, err
		}
		if c.natsJS != nil && m.NATSJS == "" {
			return nil, fmt.Errorf("lab: contender %q: %w", name, errNoNATSJS)
		}
		all = append(all, c)
	}
	for k, command := range m.Programs {
		all = append(all, programContender(k, command))
	}
	all = append(all, m.extra...)
	if len(all) == 0 || len(all) > mostContenders {
		return nil, fmt.Errorf("lab: matrix: %d contenders: want 1 to %d", len(all), mostContenders)
	}
	var trials []*trial
	for run := range m.Repeat {
		for _, w := range ways() {
			if !slices.Contains(faults, w.name) {
				continue
			}
			for _, broker := range brokers {
				for _, a := range Activities() {
					if w.suits(broker, a) && m.wants(w, a) {
						t := &trial{Matrix: m, way: w, broker: broker, activity: a, run: run + 1, all: clientsOf(broker, all)}
						if len(t.all) > 0 {
							trials = append(trials, t)
						}
					}
				}
			}
		}
	}
	if len(trials) == 0 {
		return nil, errors.New("lab: matrix: what was chosen does not go together: nothing is left")
	}
	return trials, nil
}

// clientsOf returns the contenders that can be clients of a broker.
func clientsOf(broker string, all []contender) []contender {
	return slices.DeleteFunc(slices.Clone(all), func(c contender) bool { return c.only != "" && c.only != broker })
}

// wants reports whether a fault is to be tried in an activity.
func (m Matrix) wants(w way, a Activity) bool {
	switch {
	case m.Activities != nil:
		return slices.Contains(m.Activities, a) || w.only != "" && !m.Quick
	case a == Receiving || w.only != "":
		return true
	}
	return w.varied
}

// choose returns the wanted names, all if there are none.
func choose(what string, want, known []string) ([]string, error) {
	for _, name := range want {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("lab: unknown %s %q: want one of %s", what, name, strings.Join(known, ", "))
		}
	}
	if want == nil {
		return known, nil
	}
	return want, nil
}

// wayNamed returns the fault of that name.
func wayNamed(name string) way {
	for _, w := range ways() {
		if w.name == name {
			return w
		}
	}
	return way{}
}

// Check returns why the matrix cannot be run as it was asked for.
func (m Matrix) Check() error {
	_, err := m.withDefaults().plan()
	return err
}

// Length is an estimate of how long a run takes.
func (m Matrix) Length() time.Duration {
	trials, err := m.withDefaults().plan()
	if err != nil {
		return 0
	}
	return m.lengthOf(trials)
}

// lengthOf estimates how long trials take that are done as the limits allow.
func (m Matrix) lengthOf(trials []*trial) time.Duration {
	var contended, loaded, longest time.Duration
	for _, t := range trials {
		contended += t.length() * time.Duration(len(t.all))
		longest = max(longest, t.length())
		if t.loads() {
			loaded += t.length()
		}
	}
	return max(longest, loaded/time.Duration(m.loads()), contended/mostContenders)
}

// Run runs the matrix. The process must be isolated (fault.RunIsolated). When
// ctx ends, or a trial fails, the findings are what was found by then.
func (m Matrix) Run(ctx context.Context) (found Findings, err error) {
	m = m.withDefaults()
	trials, err := m.plan()
	if err != nil {
		return found, err
	}
	sw, err := fault.NewSwitch()
	if err != nil {
		return found, fmt.Errorf("lab: matrix: dropping packets needs network namespaces: %w", err)
	}
	defer func() { err = errors.Join(err, sw.Close()) }()
	scratch := ""
	if m.NATSJS != "" || slices.ContainsFunc(trials, (*trial).keepsFiles) {
		if scratch, err = newScratch(); err != nil {
			return found, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	}
	if m.NATSJS != "" {
		if err := m.placeNATSJS(scratch); err != nil {
			return found, err
		}
	}
	d := newDispatcher(m, sw, scratch, trials)
	d.found.Skipped = slices.Clone(m.Absent)
	d.run(ctx, func(p Progress) { m.Tell(p) })
	d.found.sort()
	if err := context.Cause(ctx); err != nil {
		return d.found, err
	}
	return d.found, nil
}

// sort brings the cells into the order of the report.
func (f *Findings) sort() {
	order := func(names []string, name string) int {
		if k := slices.Index(names, name); k >= 0 {
			return k
		}
		return len(names)
	}
	faults, brokers := Faults(), MatrixBrokers()
	slices.SortStableFunc(f.Cells, func(a, b Cell) int {
		for _, d := range []int{
			order(brokers, a.Broker) - order(brokers, b.Broker),
			slices.Index(Activities(), a.Activity) - slices.Index(Activities(), b.Activity),
			order(faults, a.Fault) - order(faults, b.Fault),
			a.Run - b.Run,
		} {
			if d != 0 {
				return d
			}
		}
		return 0
	})
}

// Verdict returns nil if every trial could be done and Vigil's subscriber, with
// its defaults, kept its promises in all of them.
func (f Findings) Verdict() error {
	var broken []string
	judged := 0
	for _, c := range f.Cells {
		if c.Contender == "vigil" {
			judged++
		}
		if c.Broken != "" {
			broken = append(broken, fmt.Sprintf("%s on %s, %s: %s", c.Fault, c.Broker, c.Activity, c.Broken))
		}
	}
	switch {
	case len(broken) > 0:
		return fmt.Errorf("lab: vigil's promise was broken %d times in %d cells: %s", len(broken), judged, strings.Join(broken, "; "))
	case len(f.Failed) > 0:
		return fmt.Errorf("lab: %d trials went wrong: %s", len(f.Failed), strings.Join(f.Failed, "; "))
	}
	return nil
}
