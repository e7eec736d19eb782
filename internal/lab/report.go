package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"vigil/internal/fault"
)

// Announce says in three lines what is about to happen.
func (i Incident) Announce(w io.Writer, reason error) {
	i = i.withDefaults()
	fmt.Fprintf(w, "Two brokers, %s, each send %d messages/s to %d subscribers.\n",
		strings.Join(Brokers(), " and "), time.Second/i.Interval, len(contenders()))
	fmt.Fprintf(w, "Each broker's host vanishes (%s) and is back, empty, after %v; %v in all.\n",
		i.vanishing(), i.Outage, i.Length())
	fmt.Fprintf(w, "Mode %s", i.Mode)
	if reason != nil {
		fmt.Fprintf(w, ", because %s", strings.ReplaceAll(reason.Error(), "\n", "; "))
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

// Widths of the closing table, in characters.
const (
	// proseWidth is the longest line where the terminal's width is unknown, and
	// what is read with ease where it is large.
	proseWidth = 110
	// leastWidth is the narrowest terminal that lines are wrapped for.
	leastWidth = 40
	// rowFormat is contender, noticed, reconnected, first message, missed and
	// deaf from–to: it fits a terminal of 80.
	rowFormat = "%s %9s %11s %13s %6s  %s\n"
	indent    = "    "
)

// WriteTable writes the closing table and what is to be known to read it, for a
// terminal of the given width, 0 if that is unknown. Each contender has a row,
// and below it the cause that it gave.
func WriteTable(w io.Writer, results []Result, mode fault.Mode, width int) {
	if width <= 0 || width > proseWidth {
		width = proseWidth
	}
	width = max(width, leastWidth)
	for k, r := range results {
		if k == 0 || results[k-1].Broker != r.Broker {
			fmt.Fprintf(w, "Broker %s\n", text.Bold.Sprint(r.Broker))
			fmt.Fprintf(w, rowFormat, pad("contender"), "noticed", "reconnected", "first message", "missed", "deaf from – to")
			fmt.Fprintln(w, strings.Repeat("─", min(width, 80)))
		}
		r.writeRow(w, width)
		if k+1 == len(results) || results[k+1].Broker != r.Broker {
			fmt.Fprintln(w)
		}
	}
	notes := []string{
		fmt.Sprintf("Mode %s. Times count from the crash. Missed: messages that a broker took and the subscriber, though subscribed, never saw.", mode),
		fmt.Sprintf("(computed): not measured here, but what the settings come to with a host that stays away. The system's TCP keep-alive defaults, 7200 s + 9 × 75 s, come to %.0f s (computed).",
			systemKeepAlive.Seconds()),
	}
	for _, note := range notes {
		writeWrapped(w, note, width, "")
	}
	for _, c := range contenders() {
		fmt.Fprintf(w, "  %s  %s\n", pad(c.name), c.about)
	}
}

// pad fills a contender's name up to the width of the longest.
func pad(name string) string { return text.Pad(name, 12, ' ') }

// writeRow writes a contender's figures, and below them what it gave as cause.
func (r Result) writeRow(w io.Writer, width int) {
	colour := text.FgRed
	if r.Resumed {
		colour = text.FgGreen
	}
	deaf := offset(r.DeafFrom) + " s – end of run"
	if r.Resumed {
		deaf = offset(r.DeafFrom) + " – " + offset(r.DeafTo) + " s"
	}
	fmt.Fprintf(w, rowFormat, colour.Sprint(pad(r.Contender)), millis(r.DetectedMS), millis(r.ReconnectedMS),
		millis(r.ResumedMS), strconv.Itoa(r.Missed), deaf)
	writeWrapped(w, r.account(), width, indent)
}

// writeWrapped writes s in lines of up to width, each behind indent.
func writeWrapped(w io.Writer, s string, width int, indent string) {
	for line := range strings.Lines(text.WrapSoft(s, width-len(indent))) {
		fmt.Fprintln(w, indent+strings.TrimSpace(line)) // WrapSoft fills lines with spaces
	}
}

// account is the cause that the contender gave, or what there is to say instead.
func (r Result) account() string {
	if r.DetectedMS == nil {
		return "still deaf at the end of the run; notices after " + r.Computed + " (computed)"
	}
	s := r.Cause
	if r.ComputedMS != nil {
		s += "; the new host told it; by itself it notices after " + r.Computed + " (computed)"
	}
	switch {
	case r.Resumed:
		return s
	case r.ReconnectedMS == nil:
		return s + "; not connected again at the end of the run"
	}
	return s + "; nothing received since, at the end of the run"
}

func millis(ms *int64) string {
	if ms == nil {
		return "–"
	}
	return offset(time.Duration(*ms)*time.Millisecond) + " s"
}

// offset formats a time before or after the crash, in seconds.
func offset(d time.Duration) string {
	return fmt.Sprintf("%.3f", d.Round(time.Millisecond).Seconds())
}
