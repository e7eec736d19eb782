package qos

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// WriteTable writes the results as a table that fits a terminal of 100
// characters.
func WriteTable(w io.Writer, results []Result) {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.Style().Options.DrawBorder = false
	t.AppendHeader(table.Row{"model", "detector", "T_D mean", "p99", "max", "alarms / 30 d", "each", "wrong", "B/s"})
	var columns []table.ColumnConfig
	for number := 3; number <= 9; number++ {
		columns = append(columns, table.ColumnConfig{Number: number, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
	for i, r := range results {
		name := r.Model.Name
		if i > 0 && results[i-1].Model.Name == name {
			name = ""
		} else if i > 0 {
			t.AppendSeparator()
		}
		t.AppendRow(r.row(name))
	}
	for line := range strings.Lines(t.Render()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

// row is a line of the table; name is the model's where it begins.
func (r Result) row(name string) table.Row {
	alarms, each, wrong := text.FgGreen.Sprint("none"), "", ""
	if r.Mistakes > 0 {
		alarms, each = count(r.MistakesPer30Days()), span(r.MistakeTime)
		wrong = share(1 - r.Accuracy)
		if r.MistakesPer30Days() > 30 {
			alarms = text.FgRed.Sprint(alarms)
		}
	}
	most := span(r.Detection.Max)
	if r.Missed > 0 {
		most = text.FgRed.Sprintf("%d missed", r.Missed)
	}
	return table.Row{name, r.Detector.Name, span(r.Detection.Mean), span(r.Detection.P99), most, alarms, each, wrong,
		fmt.Sprintf("%.0f", r.BytesPerSecond)}
}

// span writes a time with three digits.
func span(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	s := d.Seconds()
	return fmt.Sprintf("%.*f s", max(0, 2-int(math.Log10(s))), s)
}

// share writes what is mostly a very small part of the whole.
func share(x float64) string {
	if x >= 0.01 {
		return fmt.Sprintf("%.0f %%", x*100)
	}
	return fmt.Sprintf("%.1g %%", x*100)
}

// count writes a number with a thousand's letter.
func count(n float64) string {
	switch {
	case n >= 1e5:
		return fmt.Sprintf("%.0f k", n/1e3)
	case n >= 1e4:
		return fmt.Sprintf("%.1f k", n/1e3)
	case n >= 10 || n == math.Trunc(n):
		return fmt.Sprintf("%.0f", n)
	default:
		return fmt.Sprintf("%.1f", n)
	}
}

// WriteNotes writes what is to be known to read the table.
func WriteNotes(w io.Writer, length Length) {
	fmt.Fprintf(w, `T_D: from the peer's end, at any moment, to the verdict, of %d ends. Alarms: verdicts on a
peer that lived, in %g simulated days; each lasted so long until another connection was
heard, and the detector was wrong for such a share of the time. B/s: probes and answers as
Ethernet frames on an otherwise idle connection.
`, length.Kills, length.Days)
}
