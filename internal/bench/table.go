package bench

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// WriteTable writes the results and ratios as a table that fits a terminal of
// 100 characters.
func WriteTable(w io.Writer, results []Result, ratios []Ratio) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.Style().Options.DrawBorder = false
	t.AppendHeader(table.Row{"scenario", "broker", "per s", "CPU µs", "min – max", "p50 µs", "p99 µs", "peak", "each KiB"})
	var columns []table.ColumnConfig
	for number := 3; number <= 9; number++ {
		columns = append(columns, table.ColumnConfig{Number: number, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
	for i, r := range results {
		name := ""
		if i == 0 || results[i-1].Scenario.Name != r.Scenario.Name {
			name = r.Scenario.Name
		}
		t.AppendRow(r.row(name))
		if i+1 == len(results) || results[i+1].Scenario.Name != r.Scenario.Name {
			for _, ratio := range ratios {
				if ratio.Scenario == r.Scenario.Name {
					t.AppendRow(ratio.row())
				}
			}
			t.AppendSeparator()
		}
	}
	t.Render()
}

// row is a line of the table; name is the scenario's where it begins.
func (r Result) row(name string) table.Row {
	if r.Err != nil {
		return table.Row{name, r.Broker, text.FgRed.Sprint("failed")}
	}
	mark := ""
	if r.Noisy() {
		mark = " ~"
	}
	spread := "–"
	if r.CPU != nil {
		spread = short(r.CPU.Min) + " – " + short(r.CPU.Max)
	}
	return table.Row{name, r.Broker + mark, rate(r.PerSecond), figure(r.CPU), spread,
		figure(r.P50), figure(r.P99), memory(r.Peak), figure(r.Each)}
}

// row is the line below those of a scenario.
func (r Ratio) row() table.Row {
	return table.Row{"", text.Bold.Sprint("ratio"), times(r.Throughput), times(r.CPU), "", times(r.P50), times(r.P99), "", times(r.Memory)}
}

func times(ratio *float64) string {
	if ratio == nil {
		return ""
	}
	colour := text.FgGreen
	if *ratio < 1 {
		colour = text.FgRed
	}
	return colour.Sprint(short(*ratio) + "×")
}

func figure(s *Summary) string {
	if s == nil {
		return "–"
	}
	return short(s.Median)
}

// rate writes a figure with a thousand's letter.
func rate(s *Summary) string {
	if s == nil {
		return "–"
	}
	switch v := s.Median; {
	case v >= 1e6:
		return short(v/1e6) + " M"
	case v >= 1e3:
		return short(v/1e3) + " k"
	default:
		return short(v)
	}
}

// memory writes KiB as MiB.
func memory(s *Summary) string {
	if s == nil {
		return "–"
	}
	return fmt.Sprintf("%.0f MiB", s.Median/1024)
}

// short writes a figure with three significant digits or all before the point.
func short(v float64) string {
	decimals := 0
	if v != 0 {
		decimals = max(2-int(math.Floor(math.Log10(math.Abs(v)))), 0)
	}
	return fmt.Sprintf("%.*f", min(decimals, 3), v)
}

// WriteNotes writes what is to be known to read the table.
func WriteNotes(w io.Writer, b Bench, results []Result) {
	fmt.Fprintln(w, "Medians of the rounds. CPU: the broker's own time, user and system, for each delivery or whatever")
	fmt.Fprintf(w, "is counted. Ratio: %s against %s, more than 1× is better.\n", b.Contenders[0].Name, b.Contenders[1].Name)
	for _, r := range results {
		if r.Noisy() {
			fmt.Fprintf(w, "~ rounds lie more than %.0f %% apart: measure again on a quieter machine.\n", noisy*100)
			break
		}
	}
	for _, c := range b.Contenders {
		if c.Missing != "" {
			fmt.Fprintf(w, "%s is left out: %s.\n", c.Name, c.Missing)
		}
	}
	for _, r := range results {
		if r.Err != nil {
			fmt.Fprintln(w, strings.ReplaceAll(r.Err.Error(), "\n", "; "))
		}
	}
}
