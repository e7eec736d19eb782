package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"vigil/internal/fault"
)

// Loss is the work that one broker's queue group lost.
type Loss struct {
	Broker  string     `json:"broker"`
	Mode    fault.Mode `json:"mode"`
	Members int        `json:"members"`
	// WindowS is how long the run went on after the member's host vanished.
	WindowS float64 `json:"window_s"`
	// PerS is how many messages were published a second.
	PerS float64 `json:"per_s"`
	// Taken counts the messages that the broker confirmed, the healthy time
	// before included.
	Taken int `json:"taken"`
	// Lost counts those of them that no member handled.
	Lost int `json:"lost"`
	// Twice counts those that were handled more than once.
	Twice int `json:"twice"`
	// LastLostMS is from the vanishing to the publishing of the last message
	// lost; nil if none was.
	LastLostMS *int64 `json:"last_lost_ms"`
	// StillLosing says that the broker still handed work to the dead at the
	// end of the run.
	StillLosing bool `json:"still_losing"`
	// ComputedMS is when that ends at the latest, counted from the vanishing,
	// and ComputedLost how many messages are lost by then: computed from the
	// broker's ping settings and the rate, not measured; a full socket buffer and
	// a write deadline can end it sooner. nil if it has ended.
	ComputedMS   *int64 `json:"computed_ms"`
	ComputedLost *int   `json:"computed_lost"`
}

// Announce says what is about to happen.
func (q Queue) Announce(w io.Writer) {
	q = q.withDefaults()
	fmt.Fprintf(w, "Two brokers, %s, each hand %d messages/s to a queue group of %d members, each on a host of its own.\n",
		strings.Join(Brokers(), " and "), time.Second/q.Interval, q.Members)
	fmt.Fprintf(w, "After %v the host of one member vanishes: packets dropped, then SIGKILL; no FIN, no RST. %v in all.\n", q.Healthy, q.Length())
	fmt.Fprintf(w, "Mode %s; it cannot show: %s\n\n", fault.PacketsDropped, fault.PacketsDropped.Limits())
}

// WriteLossesJSON writes one object a line.
func WriteLossesJSON(w io.Writer, losses []Loss) error {
	enc := json.NewEncoder(w)
	for _, l := range losses {
		if err := enc.Encode(l); err != nil {
			return fmt.Errorf("lab: write losses: %w", err)
		}
	}
	return nil
}

// WriteLosses writes the losses as a table, and in one line what they say.
func WriteLosses(w io.Writer, losses []Loss) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"broker", "taken", "lost", "last lost after", "at the latest (computed)"})
	for _, l := range losses {
		last, computed := "–", "–"
		if l.LastLostMS != nil {
			last = millis(l.LastLostMS)
		}
		if l.StillLosing {
			last = "still losing"
			computed = fmt.Sprintf("%d in %d s", *l.ComputedLost, *l.ComputedMS/1000)
		}
		t.AppendRow(table.Row{l.Broker, l.Taken, l.Lost, last, computed})
	}
	t.Render()
	if slices.ContainsFunc(losses, func(l Loss) bool { return l.StillLosing }) {
		fmt.Fprintln(w, "(computed): not measured here, but what the ping settings come to at this rate; a socket buffer that is full and a write deadline can end it sooner.")
	}
	var said []string
	for _, l := range losses {
		said = append(said, l.sentence())
	}
	fmt.Fprintln(w, strings.Join(said, "; ")+".")
}

// sentence says what a broker lost.
func (l Loss) sentence() string {
	switch {
	case l.Lost == 0:
		return l.Broker + " lost nothing"
	case l.StillLosing:
		return fmt.Sprintf("%s lost %d messages in %.0f s and went on", l.Broker, l.Lost, l.WindowS)
	}
	return fmt.Sprintf("%s lost %d messages, the last %.1f s after the member's host vanished",
		l.Broker, l.Lost, float64(*l.LastLostMS)/1000)
}

// QueueVerdict returns nil if Vigil's broker ceased to hand work to the dead
// member by the time that its settings come to, and no work was done twice.
func QueueVerdict(losses []Loss) error {
	judged := 0
	for _, l := range losses {
		if l.Twice > 0 {
			return fmt.Errorf("lab: queue: %s: %d messages were handled twice", l.Broker, l.Twice)
		}
		if l.Broker != Vigil {
			continue
		}
		judged++
		latest := latestSuspect + eventSlack
		if l.LastLostMS != nil && *l.LastLostMS > latest.Milliseconds() {
			return fmt.Errorf("lab: queue: vigil still lost messages after %v, want at most %v",
				time.Duration(*l.LastLostMS)*time.Millisecond, latest)
		}
	}
	if judged == 0 {
		return fmt.Errorf("lab: queue: vigil did not take part")
	}
	return nil
}
