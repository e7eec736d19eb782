package front

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vigil/internal/wire"
)

// timelineLimit bounds the events kept; the oldest go first.
const timelineLimit = 1024

// timeline is what happened, for people. It is guarded by Front.mu.
type timeline struct {
	events  []event
	dropped int
}

// event is something that happened. Those of one connection that say the same in
// a row are one event that happened more than once.
type event struct {
	at, last time.Time
	who      *record // nil is the broker
	text     string
	times    int
}

func (t *timeline) add(now time.Time, who *record, text string) {
	for i := len(t.events) - 1; i >= 0 && i >= len(t.events)-16; i-- {
		e := &t.events[i]
		if e.who != who {
			continue
		}
		if e.text == text && who != nil {
			e.times++
			e.last = now
			return
		}
		break
	}
	if len(t.events) == timelineLimit {
		t.events = slices.Delete(t.events, 0, timelineLimit/4)
		t.dropped += timelineLimit / 4
	}
	t.events = append(t.events, event{at: now, last: now, who: who, text: text, times: 1})
}

// telling returns what a timeline says of an operation; "" is nothing.
func telling(d Direction, e *entry) string {
	switch e.kind {
	case wire.None:
		return e.text
	case wire.Connect:
		connect := wire.DefaultConnect()
		if err := connect.Merge([]byte(e.arg)); err != nil {
			return "CONNECT (unreadable)"
		}
		return clip(introduction(&connect))
	case wire.Sub, wire.Unsub:
		return e.text
	case wire.Ping:
		if d == FromBroker {
			return "is sent PING"
		}
		return "PING"
	case wire.Pong:
		if d == ToBroker {
			return "PONG"
		}
	case wire.Pub, wire.HPub:
		return clip("publishes to " + e.subject)
	case wire.Msg, wire.HMsg:
		return clip("is sent a message of " + e.subject)
	case wire.Err:
		return "is sent " + e.text
	}
	return ""
}

// introduction tells a CONNECT.
func introduction(c *wire.ConnectLine) string {
	text := "CONNECT"
	if c.Lang != "" || c.Version != "" {
		text += fmt.Sprintf(" by %s %s", c.Lang, c.Version)
	}
	if c.User != "" {
		text += " as " + c.User
	}
	for _, option := range []struct {
		set  bool
		text string
	}{{c.Verbose, "verbose"}, {c.Pedantic, "pedantic"}, {!c.Echo, "no echo"}, {!c.Headers, "no headers"}} {
		if option.set {
			text += ", " + option.text
		}
	}
	return text
}

// silence tells how long the client had not been heard, if it had been at all.
func (r *record) silence(now time.Time) string {
	if r.heard.IsZero() {
		return ", and was never heard"
	}
	return fmt.Sprintf(", %s after it was last heard", seconds(now.Sub(r.heard)))
}

// write tells the events, and how the clients are that are still connected.
func (t *timeline) write(b *strings.Builder, now time.Time, since func(time.Time) string, open []*record) {
	b.WriteString("what the broker saw, by the time since its start:\n")
	if t.dropped > 0 {
		fmt.Fprintf(b, "           … %d earlier events\n", t.dropped)
	}
	for _, e := range t.events {
		who := "broker"
		if e.who != nil {
			who = e.who.title()
		}
		fmt.Fprintf(b, "%s  %-12s  %s", since(e.at), who, e.text)
		if e.times > 1 {
			fmt.Fprintf(b, ", %d times, the last at %s", e.times, strings.TrimSpace(since(e.last)))
		}
		b.WriteByte('\n')
	}
	if len(open) == 0 {
		fmt.Fprintf(b, "%s  %-12s  no client is connected\n", since(now), "now")
	}
	for _, r := range open {
		state := fmt.Sprintf("silent for %s", seconds(now.Sub(r.heard)))
		if r.heard.IsZero() {
			state = "was never heard"
		}
		fmt.Fprintf(b, "%s  %-12s  %s; %s\n", since(now), r.title(), state, r.subscriptions())
	}
}

// subscriptions lists what the connection is subscribed to.
func (r *record) subscriptions() string {
	if len(r.subs) == 0 {
		return "subscribed to nothing"
	}
	const most = 8
	var all []string
	for _, pattern := range r.subs {
		all = append(all, pattern)
	}
	slices.Sort(all)
	if len(all) > most {
		all = append(all[:most], fmt.Sprintf("and %d more", len(all)-most))
	}
	return "subscribed to " + strings.Join(all, ", ")
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3fs", d.Seconds()) }
