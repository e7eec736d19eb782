package heartbeat

import (
	"fmt"
	"math"
	"time"
)

// Objective is a contract instead of times: a dead peer is to be known Within so
// much, and a false alarm is to be raised no more often than once in Recurrence
// on average. Its Detector measures round trips and losses, and chooses the
// cheapest Config that keeps both; [Objective.Configure] says how. Where the
// network cannot keep them, as one TCP connection with 10 % loss cannot keep
// 2 s, it keeps the Recurrence, waits longer, and says so in its Promise; it
// never pretends.
//
// The first 32 answers are spent with the Config of [Within], or for datagrams
// with one that asks oftener: until then the Promise has no Recurrence. Later the Config changes only with a byte
// of the peer, so that a silence is judged as it began, and only if the present
// one no longer keeps the objective or an eighth can be saved.
//
// # What it assumes
//
// What matters once in 30 days was hardly ever seen, and must be extrapolated.
// That is done twice, and the worse counts:
//
//   - From single losses and delays. Datagrams are taken to be lost independently
//     of each other. In a stream everything waits behind what was lost: a share p
//     of the probes is answered late, and so is the same share of each further
//     attempt to mend that, which the burst makes once, and the kernel's timer
//     after 200 ms, 600 ms, 1.4 s, and so on, always twice as long.
//   - From whole silences, for losses that come in bursts and for a peer that at
//     times stands still: exponentially from the longest of some 50,000 that
//     followed a probe. The very longest is forgiven, and for datagrams all of
//     them if independent losses explain them.
//
// Both assume that the network stays as it is. One that grows worse is noticed
// within some hundred answers. The Detector is a [Learner].
//
// The zero value is refused: Within is needed.
type Objective struct {
	// Within is the time from the last byte of a dead peer to the verdict, from
	// 20 ms to an hour. As with the function of that name a tenth is left for
	// the caller's own scheduling.
	Within time.Duration

	// Recurrence is the mean time between two false alarms at least, on an idle
	// connection: T_MR. From Within to 100 years; 0 is 30 days.
	Recurrence time.Duration

	// Datagrams says that probes and answers are lost one by one, as over UDP.
	// Otherwise they are part of a stream, as over TCP.
	Datagrams bool
}

// Bounds of an Objective.
const (
	maxWithin         = time.Hour
	defaultRecurrence = 30 * 24 * time.Hour
	maxRecurrence     = 100 * 365 * 24 * time.Hour
)

// WithDefaults returns o with its zero Recurrence set.
func (o Objective) WithDefaults() Objective {
	if o.Recurrence == 0 {
		o.Recurrence = defaultRecurrence
	}
	return o
}

// Validate returns nil or a *ConfigError.
func (o Objective) Validate() error {
	o = o.WithDefaults()
	switch {
	case o.Within < minWithin || o.Within > maxWithin:
		return &ConfigError{"Within", fmt.Sprintf("is %v, possible are %v to %v", o.Within, minWithin, maxWithin)}
	case o.Recurrence < o.Within || o.Recurrence > maxRecurrence:
		return &ConfigError{"Recurrence", fmt.Sprintf("is %v, possible are Within, %v, to %v", o.Recurrence, o.Within, maxRecurrence)}
	}
	return nil
}

// Bound returns nine tenths of Within.
func (o Objective) Bound() time.Duration { return o.first().Bound() }

// first is the Config before anything was measured.
func (o Objective) first() Config {
	if !o.Datagrams {
		return Within(o.Within)
	}
	bound := o.Within / 10 * 9
	interval := o.shortest()
	probes := bound / 2 / interval
	return Config{Idle: bound - probes*interval, Interval: interval, Probes: int(probes)}
}

// Detector returns a new detector.
func (o Objective) Detector(now time.Time) Detector {
	if err := o.Validate(); err != nil {
		panic(err)
	}
	c := o.first()
	return &objective{
		cfg: o.WithDefaults(), Schedule: NewSchedule(c, now), promise: Promise{Bound: c.Bound()},
		answers: delays{limit: answersKept}, lately: delays{limit: answersLately},
	}
}

// objective is Objective's Detector: a Schedule that is exchanged.
type objective struct {
	Schedule
	cfg     Objective
	promise Promise

	// The first probe of the latest round and the one behind it: what the first
	// one leads to is measured.
	first, second time.Time
	unheard       bool     // nothing was heard since the first
	unanswered    bool     // and it was not answered; kept for datagrams alone
	answers       delays   // to the first probe of a round, or its loss; of a stream: as silences
	lately        delays   // the latest of them
	silences      extremes // from the first probe to any byte
	fresh         int      // answers since the Config was last thought about
}

// Sizes of what is remembered.
const (
	// rethink is how many answers are measured before the Config is thought
	// about, and then again.
	rethink, rethinkLater = 32, 256

	answersKept   = 16_384
	answersLately = 512
)

// Heard ends the silence.
func (d *objective) Heard(now time.Time) {
	if d.dead || !now.After(d.heard) {
		return
	}
	if d.unheard && now.After(d.first) { // what came no later is no answer
		d.unheard = false
		if trip, ok := d.trip(now); ok {
			d.silences.add(trip)
			if !d.cfg.Datagrams {
				d.answer(trip)
			}
		}
	}
	d.Schedule.Heard(now)
	if d.fresh >= rethinkLater || d.fresh >= rethink && d.answers.total < rethinkLater {
		d.fresh = 0
		d.choose()
	}
}

// Answered ends the silence. In a stream any byte shows that the probe has
// arrived; of datagrams its own answer alone.
func (d *objective) Answered(sent, now time.Time) {
	if d.unanswered && !d.dead && !sent.Before(d.first) && (d.second.IsZero() || sent.Before(d.second)) {
		d.unanswered = false
		if trip, ok := d.trip(now); ok {
			d.answer(trip)
		}
	}
	d.Heard(now)
}

// Successor keeps what was measured, and the Config. A verdict counts as a
// silence: the peer would not have a successor if it had not come back.
func (d *objective) Successor(now time.Time) Detector {
	if d.dead && d.unheard {
		d.silences.add(d.Next().Sub(d.first))
	}
	d.unheard, d.unanswered = false, false
	d.Schedule = NewSchedule(d.config(), now)
	if d.answers.total >= rethink {
		d.choose()
	}
	return d
}

// trip returns how long after the first probe now is, unless what arrives now
// may have waited for us: when a Step is overdue, we ourselves may have stopped.
func (d *objective) trip(now time.Time) (time.Duration, bool) {
	trip := now.Sub(d.first)
	return trip, trip >= 0 && d.silence.pauses == 0 && now.Sub(d.Next()) <= d.interval/2
}

func (d *objective) answer(trip time.Duration) {
	d.answers.add(trip)
	d.lately.add(trip)
	d.fresh++
}

// Resumed discards the unanswered probes and has one sent at once.
func (d *objective) Resumed(now time.Time) {
	d.unheard, d.unanswered = false, false
	d.Schedule.Resumed(now)
}

// Step asks what to do at now.
func (d *objective) Step(now time.Time) Action {
	action := d.Schedule.Step(now)
	if action != Probe {
		return action
	}
	switch s := &d.silence; {
	case s.probes == 1 && s.extra == 0: // the first of a round
		if d.unanswered {
			d.answer(lost)
		}
		d.first, d.second = now, time.Time{}
		d.unheard = s.pauses == 0
		d.unanswered = d.unheard && d.cfg.Datagrams
	case d.second.IsZero():
		d.second = now
	}
	return action
}

// Promise returns what is kept at present.
func (d *objective) Promise() Promise { return d.promise }

// choose thinks about the Config, right behind a byte of the peer.
func (d *objective) choose() {
	present, tails := d.config(), d.tails()
	next, promise := d.cfg.configure(tails)
	if !d.cfg.Datagrams {
		next.Burst = min(max(next.Burst, d.answers.quantile(0.9)), next.Interval)
		if next.Validate() != nil {
			next.Burst = 0
		}
	}
	d.promise = d.cfg.promise(present, tails)
	kept := d.promise.Recurrence >= d.cfg.Recurrence
	if kept && next.Bound() > present.Bound()*7/8 && next.cost(tails.single) > present.cost(tails.single)*7/8 {
		return
	}
	d.promise = promise
	d.Schedule = NewSchedule(next, d.heard)
}

// tails is what was measured, and what follows from it.
func (d *objective) tails() tails {
	share := d.shares()
	trip := d.answers.quantile(0.5)
	usual := 2*trip + 10*time.Millisecond // hardly ever more, but for what went wrong
	t := tails{single: share, silence: never}
	if !d.cfg.Datagrams {
		torn := share(usual)
		t.single = func(t time.Duration) float64 {
			return math.Pow(torn, float64(attempts(t, trip, d.burst)))
		}
	}
	from, often, excess := d.silences.tail(usual)
	if !d.cfg.Datagrams || often/math.E > unexplained*d.explained(from+excess, t.single) {
		t.silence = func(t time.Duration) float64 {
			return often * math.Exp(-float64(max(0, t-from))/float64(excess))
		}
	}
	return t
}

// shares returns how many of the answers took how long, or longer.
func (d *objective) shares() Tail {
	all, recent := d.answers.beyond(), d.lately.beyond()
	total, lately := float64(d.answers.total), float64(d.lately.total)
	for i, n := range all {
		p := (n + 1 + math.Sqrt(n)) / (total + 1)                       // what is rare may not have come yet
		if late := recent[i]; late-3*math.Sqrt(late) > n/total*lately { // no chance: the network has changed
			p = max(p, late/lately)
		}
		all[i] = min(1, p)
	}
	return all.after
}

// never is the Tail of what does not happen.
func never(time.Duration) float64 { return 0 }

// unexplained is how much oftener than expected silences are long that are not
// due to single losses and delays.
const unexplained = 4

// explained is how often a silence is at least t long if datagrams are lost and
// late independently of each other.
func (d *objective) explained(t time.Duration, single Tail) float64 {
	p := single(t)
	for at := d.interval; at < t; at += d.interval {
		p *= single(t - at)
	}
	return p
}

// attempts returns how often a stream has tried within t to mend a lost probe
// whose answer usually takes trip.
func attempts(t, trip, burst time.Duration) int {
	if t <= 2*trip {
		return 0
	}
	n := 1
	timer := 200*time.Millisecond + trip
	first := timer
	if burst > 0 { // the timer then begins behind what the burst had sent again
		if t > 2*burst+2*trip {
			n++
		}
		first += burst
	}
	for at := first; at+2*trip < t && timer < 120*time.Second; at += timer {
		timer *= 2
		n++
	}
	return n
}
