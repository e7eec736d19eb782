package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"vigil/internal/fault"
)

// ContendCommand is the hidden command of the lab's own program that is one
// contender, in a child process: its arguments are the contender's name, the
// broker's address, and the subject to publish to if it is to publish.
const ContendCommand = "contend"

// How a contender publishes that has been told to: 250 messages of 16 KiB a
// second, 4 MB/s, which fill a socket that nobody reads within a second or so.
const (
	publishEvery = 4 * time.Millisecond
	publishSize  = 16 << 10
)

// Contend is the named contender until the process is told to end or loses its
// parent. It writes a line to ready once its subscription is in effect, and what
// happens to it as lines of JSON to events. It publishes to the subject to, ""
// for nothing.
func Contend(name, addr, to string, ready, events io.Writer) error {
	c, err := contenderNamed(name)
	if err != nil {
		return err
	}
	if c.join == nil {
		return fmt.Errorf("lab: contend: %s is a program of its own", name)
	}
	return contend(c, addr, to, ready, events)
}

func contend(c contender, addr, to string, ready, events io.Writer) error {
	fault.ExitWithParent()
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(ended)
	meter := newPauseMeter()
	defer meter.close()
	reports := &reporter{out: json.NewEncoder(events), meter: meter}
	starting, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	joined, err := c.join(starting, part{addr: addr, witness: reports, publishes: to != ""})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(ready, "ready"); err != nil {
		return fmt.Errorf("lab: contend: tell: %w", err)
	}
	publishing, stop := context.WithCancel(context.Background())
	defer stop()
	var work sync.WaitGroup
	if to != "" {
		work.Go(func() { reports.publish(publishing, joined, to) })
	}
	<-ended
	stop()
	finished := make(chan struct{})
	// Ends when the client lets go; one that hangs for ever in a full socket is
	// left to the end of the process.
	go func() {
		defer close(finished)
		work.Wait()
		joined.close()
	}()
	select {
	case <-finished:
	case <-time.After(settleFor):
	}
	reports.sum()
	return nil
}

// contenderNamed returns the contender of that name: one of everybody, or
// nats.go with somebody's own settings, named by natsName.
func contenderNamed(name string) (contender, error) {
	for _, c := range everybody() {
		if c.name == name {
			return c, nil
		}
	}
	if settings, ok := strings.CutPrefix(name, "nats.go:"); ok {
		interval, outstanding, _ := strings.Cut(settings, "x")
		every, err := time.ParseDuration(interval)
		most, err2 := strconv.Atoi(outstanding)
		if err != nil || err2 != nil || every <= 0 || most < 1 {
			return contender{}, fmt.Errorf("lab: contender %q: want nats.go:INTERVALxOUTSTANDING, as in nats.go:20sx2", name)
		}
		worst := time.Duration(most+1) * every
		return natsContender(name, fmt.Sprintf("PingInterval %v, %d outstanding", every, most), worst,
			fmt.Sprintf("%g–%g s", (worst-every).Seconds(), worst.Seconds()), natsEvery(every, most)...), nil
	}
	return contender{}, fmt.Errorf("lab: unknown contender %q: want one of %s, or nats.go:20sx2", name, strings.Join(Contenders(), ", "))
}

// Contenders lists who takes part in the matrix, by name.
func Contenders() []string {
	var names []string
	for _, c := range everybody() {
		names = append(names, c.name)
	}
	return names
}

// NATSName names the contender that is nats.go with the given settings.
func NATSName(interval time.Duration, outstanding int) string {
	return fmt.Sprintf("nats.go:%vx%d", interval, outstanding)
}

// event is something that happened to a contender, on the wall clock of the
// machine.
type event struct {
	At   int64     `json:"at"` // nanoseconds since 1970
	Kind eventKind `json:"kind"`
	// N is the number received, or how many messages were published.
	N int `json:"n,omitempty"`
	// Cause, Silence in nanoseconds, and Own are those of a loss.
	Cause   string `json:"cause,omitempty"`
	Silence int64  `json:"silence,omitempty"`
	Own     bool   `json:"own,omitempty"`
	// Pauses is how often, by its own account and by that of a meter, its process
	// was not running, and Paused for how long in all, by the meter's.
	Pauses int   `json:"pauses,omitempty"`
	Paused int64 `json:"paused,omitempty"`
	// From and To are the ends of a deaf window, as At.
	From int64 `json:"from,omitempty"`
	To   int64 `json:"to,omitempty"`
}

type eventKind string

const (
	eventReceived  eventKind = "received"
	eventLost      eventKind = "lost"
	eventConnected eventKind = "connected"
	eventDeaf      eventKind = "deaf"
	eventPublished eventKind = "published"
)

// reporter writes what a contender experiences as lines. It is a witness.
type reporter struct {
	mu    sync.Mutex
	out   *json.Encoder // guarded by mu
	taken int           // guarded by mu: how many messages the client took

	meter *pauseMeter // of this process, nil if nobody asks
}

// write writes an event that happens now. An error means that the lab has gone,
// and this process with it.
func (r *reporter) write(e event) {
	e.At = time.Now().UnixNano()
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.out.Encode(e)
}

func (r *reporter) received(n int) { r.write(event{Kind: eventReceived, N: n}) }

func (r *reporter) noticed(l loss) {
	e := event{Kind: eventLost, Cause: l.cause, Silence: int64(l.silence), Own: l.own}
	if r.meter != nil {
		pauses, paused := r.meter.within(pauseWindow)
		e.Pauses, e.Paused = min(l.pauses, pauses), int64(paused)
	}
	r.write(e)
}

func (r *reporter) reconnected(string) { r.write(event{Kind: eventConnected}) }

func (r *reporter) claims(from, to time.Time) {
	r.write(event{Kind: eventDeaf, From: from.UnixNano(), To: to.UnixNano()})
}

func (r *reporter) remark(string, bool) {}

// sum reports how many messages the client has taken.
func (r *reporter) sum() {
	r.mu.Lock()
	n := r.taken
	r.mu.Unlock()
	r.write(event{Kind: eventPublished, N: n})
}

// publish publishes numbered messages until ctx ends. A message that the client
// does not take is offered again: its number is not lost.
func (r *reporter) publish(ctx context.Context, c client, to string) {
	ticker := time.NewTicker(publishEvery)
	defer ticker.Stop()
	var data []byte
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		data = appendNumber(data[:0], n, publishSize)
		if c.publish(ctx, to, data) == nil {
			n++
			r.mu.Lock()
			r.taken = n
			r.mu.Unlock()
		}
	}
}
