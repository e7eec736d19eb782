package lesson

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Columns writes the lines of several experiments beside each other as they
// happen, a column each. Its methods may be called concurrently.
type Columns struct {
	out   io.Writer
	wide  bool
	heads []string

	mu sync.Mutex
}

// columnWidth is what a column takes at least: the longest line of a server.
const columnWidth = 52

// NewColumns returns columns with these heads. Where the width of the terminal does
// not hold them, 0 for none, lines are marked with their head instead.
func NewColumns(out io.Writer, width int, heads ...string) *Columns {
	c := &Columns{out: out, heads: heads, wide: width == 0 || width >= timeWidth+len(heads)*columnWidth}
	if c.wide {
		fmt.Fprintf(out, "%*s", timeWidth, "")
		for k, head := range heads {
			c.cell(k, head)
		}
		fmt.Fprintln(out)
	}
	return c
}

// timeWidth is what the times take.
const timeWidth = 11

// Tell writes a line of the experiment k.
func (c *Columns) Tell(k int, l Line) {
	line := fmt.Sprintf("%-7s %s", l.Who, l.Text)
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.out, "%7.2f s  ", l.At.Seconds())
	if !c.wide {
		fmt.Fprintf(c.out, "[%s] %s\n", c.heads[k], line)
		return
	}
	for n := range k {
		c.cell(n, "")
	}
	fmt.Fprintln(c.out, line)
}

// cell writes a cell that another one follows, unless it is the last.
func (c *Columns) cell(k int, content string) {
	if k == len(c.heads)-1 {
		fmt.Fprint(c.out, content)
		return
	}
	fmt.Fprintf(c.out, "%-*s", columnWidth, content)
}

// proseWidth is the longest line of text where the terminal's width is unknown, and
// the width that every table fits.
const proseWidth = 80

// writeProse writes a paragraph in lines that fit the terminal, 0 for none.
func writeProse(w io.Writer, width int, paragraph string) {
	if width <= 0 {
		width = proseWidth
	}
	for line := range strings.Lines(text.WrapSoft(paragraph, width)) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

// WriteOutcomes says what the experiments came to, on a terminal of the given width,
// 0 for none.
func WriteOutcomes(w io.Writer, all []Outcome, width int) {
	for _, o := range all {
		writeProse(w, width, fmt.Sprintf("A server that sleeps for %s: %s", seconds(o.SleepS*o.Scale), o.sentence()))
	}
}

func (o Outcome) sentence() string {
	said := fmt.Sprintf("%d heartbeats, %d answers, %d bytes: ", o.Heartbeats, o.Answers, o.Bytes)
	if o.Dead {
		said += fmt.Sprintf("given up %s behind the last byte (due: %s).", seconds(*o.DeadAfterMS/1000), seconds(o.DueMS/1000))
	} else {
		said += "the connection lives."
	}
	if o.ProcessedMS != nil {
		said += fmt.Sprintf(" While it slept it processed another client's message within %.1f ms.", *o.ProcessedMS)
	}
	return said
}

// seconds formats s seconds.
func seconds(s float64) string {
	switch {
	case s >= 1:
		return fmt.Sprintf("%.2f s", s)
	case s >= 0.01:
		return fmt.Sprintf("%.0f ms", 1000*s)
	}
	return fmt.Sprintf("%.1f ms", 1000*s)
}

// newTable returns a table as all of the lab's are.
func newTable(w io.Writer, header ...any) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(header)
	return t
}

// narrow wraps the text of a column, counted from 1, and keeps rows of several lines
// apart.
func narrow(t table.Writer, width int, columns ...int) {
	var configs []table.ColumnConfig
	for _, n := range columns {
		configs = append(configs, table.ColumnConfig{Number: n, WidthMax: width, WidthMaxEnforcer: text.WrapSoft})
	}
	t.SetColumnConfigs(configs)
	t.Style().Options.SeparateRows = true
}

// WriteKeepAlive writes the cases as a table, and what a kernel's own settings
// come to.
func WriteKeepAlive(w io.Writer, f KeepAliveFindings, width int) {
	writeProse(w, width, fmt.Sprintf("TCP_KEEPIDLE %v, TCP_KEEPINTVL %v, TCP_KEEPCNT %d, as the kernel gave them back.", f.Idle, f.Interval, f.Count))
	t := newTable(w, "the peer", "a read returns", "after", "due\n(computed)", "segments\nout, in")
	narrow(t, 19, 1, 2)
	for _, c := range f.Cases {
		result, after, due := c.Result, millis(c.AfterMS), millis(c.ComputedMS)
		if result == "" {
			result = "nothing: it waits"
		}
		t.AppendRow(table.Row{c.Case, result, after, due, fmt.Sprintf("%d, %d", c.Sent, c.Received)})
	}
	t.Render()
	bound := f.System.Bound()
	writeProse(w, width, fmt.Sprintf("Computed: who switches keep-alive on and sets nothing waits for %.0f s + %d × %.0f s = %.0f s on this kernel; Linux comes with 7200 s + 9 × 75 s = 7875 s, 2 h 11 min 15 s.",
		f.System.Idle.Seconds(), f.System.Count, f.System.Interval.Seconds(), bound.Seconds()))
	writeProse(w, width, fmt.Sprintf("While something is unacknowledged keep-alive does not ask at all: then TCP sends that again for %.1f s (computed, tcp_retries2 = 15).", Retransmission.Seconds()))
}

func millis(ms *float64) string {
	if ms == nil {
		return "–"
	}
	return seconds(*ms / 1000)
}

// WriteDatagrams writes the cases as a table, and what they say.
func WriteDatagrams(w io.Writer, found []DatagramCase, width int) {
	t := newTable(w, "the peer", "a plain UDP\nsocket learns", "after", "given up by\nthe heartbeat", "bound")
	for _, c := range found {
		socket := c.Socket
		if socket == "" {
			socket = "nothing"
		}
		t.AppendRow(table.Row{c.Case, socket, millis(c.SocketMS), millis(c.DetectedMS), millis(&c.BoundMS)})
	}
	t.Render()
	writeProse(w, width, "So yes: a heartbeat needs no connection. UDP has neither FIN nor retransmission to tell of an end; a host that lives says by ICMP that nobody listens, if it may; one that has vanished says nothing, to whatever socket.")
}

// WriteProbes writes both tables, and what they say.
func WriteProbes(w io.Writer, f ProbeFindings, width int) {
	t := newTable(w, "lost each way", "probes", "", "1 in a row", "2", "3", "4")
	for _, l := range f.Links {
		measured, computed := table.Row{fmt.Sprintf("%.0f %%", 100*l.Loss), l.Probes, "measured"}, table.Row{"", "", "computed"}
		for n := range mostProbes {
			measured, computed = append(measured, share(l.Mistaken[n])), append(computed, share(l.Computed[n]))
		}
		t.AppendRows([]table.Row{measured, computed})
	}
	t.Render()
	writeProse(w, width, "How often none of so many probes in a row is answered, though the peer lives. One probe that is not answered says little; each further one makes the mistake rarer by the same factor, and costs one Interval. Over TCP the kernel sends a lost probe again: there, further ones buy the time that this takes.")
	fmt.Fprintln(w)
	t = newTable(w, "heartbeat over TCP", "bytes\neach way", "frames", "bytes on\nthe wire", "every", "bytes/s", "of\n1 Mbit/s")
	narrow(t, 15, 1)
	for _, c := range f.Costs {
		t.AppendRow(table.Row{c.Heartbeat, c.Bytes, fmt.Sprintf("%.1f", c.Frames), fmt.Sprintf("%.0f", c.Wire), fmt.Sprintf("%.3g s", c.EveryS),
			fmt.Sprintf("%.0f", c.BytesPerS), fmt.Sprintf("%.3f %%", 100*c.BytesPerS*8/1e6)})
	}
	t.Render()
	writeProse(w, width, "Frames and their bytes are counted on the peer's link, with Ethernet headers and acknowledgements; bytes/s is computed from them. Any traffic at all spares the probe: only a silent connection pays.")
}

// share formats a share in percent, with three digits.
func share(x float64) string { return fmt.Sprintf("%.3g %%", 100*x) }

// WriteJSON writes one object a line.
func WriteJSON[T any](w io.Writer, all []T) error {
	enc := json.NewEncoder(w)
	for _, x := range all {
		if err := enc.Encode(x); err != nil {
			return fmt.Errorf("lesson: write: %w", err)
		}
	}
	return nil
}

// Length returns how long the experiment takes, roughly.
func (e Experiment) Length() time.Duration {
	scale := e.Scale
	if scale == 0 {
		scale = 1
	}
	if e.Sleep >= 9*time.Second {
		return clientSchedule(scale).Bound()
	}
	return scaled(36*time.Second, scale)
}
