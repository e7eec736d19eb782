package brokertest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/internal/front"
)

// Client says how the client is run that [Suite] tries.
type Client struct {
	// Start starts a client that is connected to url by one connection and subscribed to
	// subject, or soon will be, and has got called with the payload of each message it receives, from
	// any goroutine. stop ends it and waits. It fails t when it cannot.
	Start func(t testing.TB, url, subject string, got func(data []byte)) (stop func())

	// Notice is how soon the client must notice that a broker has fallen silent. With 0
	// it need not: the broker is back before anybody could.
	Notice time.Duration

	// Back is how soon the client must be back and get messages when the fault has ended.
	// 0 is 30 s.
	Back time.Duration

	// Broker starts the broker. nil is [Start].
	Broker func(t testing.TB) *Broker
}

// defaultBack is the default of Client.Back.
const defaultBack = 30 * time.Second

// refusedFor is how long dials are refused.
const refusedFor = 300 * time.Millisecond

// suiteSubject is what the client subscribes to; messages go to suiteSubject.1.
const suiteSubject = "suite.>"

// trial is one fault that a client is to survive.
type trial struct {
	name string
	// make makes the fault and returns how it ends; back bounds waits.
	make func(t testing.TB, b *Broker, back Bound) (end func())
	// silent is a fault that only a heartbeat finds.
	silent bool
	// breaks is a fault that no connection survives.
	breaks bool
}

// trials are the battery.
var trials = []trial{
	{name: "crash", silent: true, breaks: true, make: func(t testing.TB, b *Broker, back Bound) func() {
		b.Crash(t)
		return func() { b.Restart(t) }
	}},
	{name: "kill", breaks: true, make: func(t testing.TB, b *Broker, back Bound) func() {
		b.Kill(t)
		return func() { b.Restart(t) }
	}},
	{name: "lame duck", breaks: true, make: func(t testing.TB, b *Broker, back Bound) func() {
		b.LameDuck(t)
		return func() {
			b.await(t, back, (*front.Front).AwaitGone)
			b.Restart(t)
		}
	}},
	{name: "reset", breaks: true, make: func(t testing.TB, b *Broker, back Bound) func() {
		b.Reset(t)
		return func() {}
	}},
	{name: "connection lost by the broker", silent: true, breaks: true, make: func(t testing.TB, b *Broker, back Bound) func() {
		c := b.AwaitConnect(t)
		c.Crash(t)
		return func() { c.Heal(t) }
	}},
	{name: "cut in the middle of a message", breaks: true, make: func(t testing.TB, b *Broker, back Bound) func() {
		b.CutAt(t, int64(len("MSG suite")))
		b.Publish(t, suiteMessage, []byte("cut"))
		return func() {}
	}},
	{name: "reset, then refused", breaks: true, make: func(t testing.TB, b *Broker, back Bound) func() {
		b.RefuseConnects(t)
		b.Reset(t)
		return func() {
			refused := time.NewTimer(refusedFor) // nobody is told of a dial that is refused
			<-refused.C
			b.Heal(t)
		}
	}},
	{name: "reset, then accepted in silence", breaks: true, make: func(t testing.TB, b *Broker, back Bound) func() {
		b.AcceptAndSayNothing(t)
		b.Reset(t)
		return func() {
			b.await(t, back, (*front.Front).AwaitHeld)
			b.Heal(t)
		}
	}},
	{name: "freeze", silent: true, make: func(t testing.TB, b *Broker, back Bound) func() {
		b.Freeze(t)
		return func() { b.Thaw(t) }
	}},
	{name: "black hole both ways", silent: true, make: holed(Both)},
	{name: "black hole to the broker", silent: true, make: holed(ToBroker)},
	{name: "black hole from the broker", silent: true, make: holed(FromBroker)},
	{name: "latency", make: func(t testing.TB, b *Broker, back Bound) func() {
		b.Latency(t, 50*time.Millisecond)
		return func() {}
	}},
	{name: "bandwidth", make: func(t testing.TB, b *Broker, back Bound) func() {
		b.Bandwidth(t, 10_000)
		return func() {}
	}},
	{name: "slow reader", make: func(t testing.TB, b *Broker, back Bound) func() {
		b.SlowReader(t, 1000)
		b.Publish(t, suiteMessage, make([]byte, 500))
		return func() { b.Heal(t) }
	}},
}

// await waits for what the front sees.
func (b *Broker) await(t testing.TB, bound Bound, what func(*front.Front, context.Context) error) {
	t.Helper()
	ctx, cancel, _ := b.begin(t, []Bound{bound})
	defer cancel()
	made(t, what(b.f, ctx))
}

// suiteMessage is where messages are published.
const suiteMessage = "suite.1"

func holed(d Direction) func(testing.TB, *Broker, Bound) func() {
	return func(t testing.TB, b *Broker, _ Bound) func() {
		b.BlackHole(t, d)
		return func() { b.Heal(t) }
	}
}

// outcome is a row of the table.
type outcome struct {
	name    string
	passed  bool
	noticed time.Duration // 0 where it is not known
	back    time.Duration
}

// Suite has a client go through all faults, each a sub-test with a broker of its own,
// and logs a table of what it survived and how long that took. A client passes when it
// notices a silent broker within Client.Notice, and a message published after the fault
// reaches it within Client.Back.
func Suite(t *testing.T, c Client) {
	var mu sync.Mutex
	var table []outcome // guarded by mu
	t.Run("faults", func(t *testing.T) {
		for _, trial := range trials {
			t.Run(trial.name, func(t *testing.T) {
				t.Parallel()
				o := outcome{name: trial.name}
				defer func() {
					mu.Lock()
					defer mu.Unlock()
					o.passed = !t.Failed()
					table = append(table, o)
				}()
				trial.run(t, c, &o)
			})
		}
	})
	t.Log("\n" + writeTable(table))
}

// run has a client go through the fault.
func (tr *trial) run(t *testing.T, c Client, o *outcome) {
	start := c.Broker
	if start == nil {
		start = func(t testing.TB) *Broker { return Start(t) }
	}
	back := Within(cmp.Or(c.Back, defaultBack))
	b := start(t)
	inbox := newInbox()
	t.Cleanup(c.Start(t, b.URL(), suiteSubject, inbox.put))
	b.AwaitSubscribers(t, suiteMessage, 1, back)
	inbox.want(t, b, "before", back)

	end := tr.make(t, b, back)
	made := time.Now()
	noticed := tr.silent && c.Notice > 0
	if noticed {
		b.AwaitStale(t, Within(c.Notice))
	}
	end()
	if tr.breaks || noticed {
		r := b.AwaitReconnect(t, back)
		o.noticed, o.back = r.Noticed, r.Back
	}
	inbox.want(t, b, "after", back)
	if o.back == 0 {
		o.back = time.Since(made)
	}
}

// inbox is what a client has received.
type inbox struct {
	mu   sync.Mutex
	got  map[string]bool // guarded by mu
	news chan struct{}   // holds a token when something came
}

func newInbox() *inbox { return &inbox{got: make(map[string]bool), news: make(chan struct{}, 1)} }

func (i *inbox) put(data []byte) {
	i.mu.Lock()
	i.got[string(data)] = true
	i.mu.Unlock()
	select {
	case i.news <- struct{}{}:
	default:
	}
}

func (i *inbox) has(data string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.got[data]
}

// want publishes a message and waits until the client has received it.
func (i *inbox) want(t testing.TB, b *Broker, data string, bound Bound) {
	t.Helper()
	ctx, cancel, _ := b.begin(t, []Bound{bound})
	defer cancel()
	b.Publish(t, suiteMessage, []byte(data))
	for !i.has(data) {
		select {
		case <-i.news:
		case <-ctx.Done():
			t.Fatalf("brokertest: the message published %s the fault did not reach the client\n%s", data, b.Timeline())
		}
	}
}

// writeTable writes outcomes in the order of the battery.
func writeTable(table []outcome) string {
	order := func(o outcome) int {
		return slices.IndexFunc(trials, func(tr trial) bool { return tr.name == o.name })
	}
	slices.SortFunc(table, func(a, b outcome) int { return order(a) - order(b) })
	var text strings.Builder
	fmt.Fprintf(&text, "%-33s %-6s %9s %9s\n", "fault", "result", "noticed", "back")
	passed := 0
	for _, o := range table {
		result := "FAIL"
		if o.passed {
			result = "ok"
			passed++
		}
		fmt.Fprintf(&text, "%-33s %-6s %9s %9s\n", o.name, result, span(o.noticed), span(o.back))
	}
	return text.String() + strconv.Itoa(passed) + " of " + strconv.Itoa(len(trials)) + " survived"
}

func span(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3fs", d.Seconds())
}
