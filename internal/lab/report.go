package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"vigil/internal/fault"
)

// Announce says in three lines what is about to happen.
func (i Incident) Announce(w io.Writer, reason error) {
	i = i.withDefaults()
	names := make([]string, 0, 5)
	for _, c := range contenders() {
		names = append(names, c.name)
	}
	fmt.Fprintf(w, "On two brokers, %s, five subscribers each receive %d messages a second: %s.\n",
		strings.Join(Brokers(), " and "), time.Second/i.Interval, strings.Join(names, ", "))
	fmt.Fprintf(w, "Then the broker's host vanishes (packets dropped, then SIGKILL: no FIN, no RST); %v later it is back, empty. %v in all.\n",
		i.Outage, i.Length())
	fmt.Fprintf(w, "Mode %s", i.Mode)
	if reason != nil {
		fmt.Fprintf(w, ", because %v", reason)
	}
	fmt.Fprintf(w, "; it cannot show: %s\n\n", i.Mode.Limits())
}

// WriteJSON writes one object a line.
func WriteJSON(w io.Writer, results []Result) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, r := range results {
		if err := enc.Encode(r); err != nil {
			return fmt.Errorf("lab: write results: %w", err)
		}
	}
	return nil
}

// WriteTable writes the closing table and what is to be known to read it.
func WriteTable(w io.Writer, results []Result, mode fault.Mode) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"broker", "contender", "noticed after", "cause given", "reconnected",
		"first message", "missed", "deaf from – to"})
	t.SetColumnConfigs([]table.ColumnConfig{
		{Name: "broker", AutoMerge: true},
		{Name: "noticed after", WidthMax: 26, WidthMaxEnforcer: text.WrapSoft},
		{Name: "cause given", WidthMax: 32, WidthMaxEnforcer: text.WrapSoft},
		{Name: "reconnected", Align: text.AlignRight},
		{Name: "first message", Align: text.AlignRight},
		{Name: "missed", Align: text.AlignRight},
	})
	for k, r := range results {
		if k > 0 && results[k-1].Broker != r.Broker {
			t.AppendSeparator()
		}
		t.AppendRow(r.row())
	}
	t.Render()
	fmt.Fprintf(w, "Mode %s. Times count from the crash. Missed: what a broker took and the subscriber, though subscribed, never saw.\n", mode)
	fmt.Fprintf(w, "(computed): not measured here, but what the settings come to. A system's TCP keep-alive defaults, 7200 s + 9 × 75 s, come to %.0f s (computed).\n",
		systemKeepAlive.Seconds())
	for _, c := range contenders() {
		fmt.Fprintf(w, "  %-12s  %s\n", c.name, c.about)
	}
}

func (r Result) row() table.Row {
	colour := text.FgRed
	if r.Resumed {
		colour = text.FgGreen
	}
	to := "the end of the run"
	if r.Resumed {
		to = offset(r.DeafTo)
	}
	cause := r.Cause
	if cause == "" {
		cause = "–"
	}
	return table.Row{
		r.Broker, colour.Sprint(r.Contender), r.noticed(), cause,
		millis(r.ReconnectedMS), millis(r.ResumedMS), r.Missed,
		offset(r.DeafFrom) + " – " + to,
	}
}

func (r Result) noticed() string {
	s := "still deaf at the end of the run"
	if r.DetectedMS != nil {
		s = millis(r.DetectedMS)
	}
	switch {
	case r.ComputedMS == nil:
		return s
	case r.DetectedMS != nil:
		return s + ", when the new host answered; alone " + r.Computed + " (computed)"
	}
	return s + "; " + r.Computed + " (computed)"
}

func millis(ms *int64) string {
	if ms == nil {
		return "–"
	}
	return fmt.Sprintf("%.3f s", float64(*ms)/1000)
}

// offset formats a time before or after the crash.
func offset(d time.Duration) string {
	return fmt.Sprintf("%.3f s", d.Round(time.Millisecond).Seconds())
}
