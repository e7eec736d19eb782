package bench

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// WriteTable writes the results and ratios as a table that fits a terminal of
// 100 characters.
func WriteTable(w io.Writer, results []Result, ratios []Ratio) {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.Style().Options.DrawBorder = false
	t.AppendHeader(table.Row{"scenario", "broker", "per s", "CPU µs", "min–max", "p50", "p99", "MiB", "KiB each"})
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
					t.AppendRow(ratio.row(results[0].Broker))
				}
			}
			t.AppendSeparator()
		}
	}
	for line := range strings.Lines(t.Render()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
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
		spread = short(r.CPU.Min) + "–" + short(r.CPU.Max)
	}
	return table.Row{name, r.Broker + mark, rate(r.PerSecond), figure(r.CPU), spread,
		latency(r.P50), latency(r.P99), memory(r.Peak), figure(r.Each)}
}

// row is a line below those of a scenario. Most are of the first contender, and
// one to that stands below another of the same contender.
func (r Ratio) row(first string) table.Row {
	name := "of " + r.Of
	switch first {
	case r.Of:
		name = "ratio"
	case r.To:
		name = "to " + r.To
	}
	return table.Row{"", text.Bold.Sprint(name), times(r.Throughput), times(r.CPU), "", times(r.P50), times(r.P99), "", times(r.Memory)}
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

// latency writes microseconds with the unit that suits.
func latency(s *Summary) string {
	if s == nil {
		return "–"
	}
	switch v := s.Median; {
	case v >= 1e6:
		return short(v/1e6) + " s"
	case v >= 1e3:
		return short(v/1e3) + " ms"
	default:
		return short(v) + " µs"
	}
}

// seconds writes microseconds as seconds.
func seconds(us float64) string { return fmt.Sprintf("%.2f s", us/1e6) }

// memory writes KiB as MiB.
func memory(s *Summary) string {
	if s == nil {
		return "–"
	}
	return fmt.Sprintf("%.0f", s.Median/1024)
}

// short writes a figure with three significant digits or all before the point.
func short(v float64) string {
	decimals := 0
	if v != 0 {
		decimals = max(2-int(math.Floor(math.Log10(math.Abs(v)))), 0)
	}
	return fmt.Sprintf("%.*f", min(decimals, 3), v)
}

// compared says who is compared with whom.
func (b Bench) compared(ratios []Ratio) string {
	if len(ratios) == 1 {
		return ratios[0].Of + " against " + ratios[0].To
	}
	return b.Contenders[0].Name + " against " + b.rivals()
}

// rivals names those that ratios compare the first contender with: another broker,
// and another client.
func (b Bench) rivals() string {
	names := b.Contenders[1].Name
	for _, c := range slices.Backward(b.Contenders) {
		if c.Protocol == Client && c.Missing == "" {
			return names + ", or " + c.Name
		}
	}
	return names
}

// WriteNotes writes what is to be known to read the table.
func WriteNotes(w io.Writer, b Bench, results []Result, ratios []Ratio) {
	fmt.Fprintf(w, `Medians of the rounds. CPU: the broker's own processor time for each of what is
counted, or the client's where clients are measured; MiB: the most memory it had;
KiB each: for a connection or subscription.
Ratio: %s, more than 1× is better.
`, b.compared(ratios))
	if slices.ContainsFunc(ratios, func(r Ratio) bool { return r.To == b.Contenders[0].Name }) {
		fmt.Fprintf(w, "To %s: of the one above, against %[1]s.\n", b.Contenders[0].Name)
	}
	if slices.ContainsFunc(results, Result.Noisy) {
		fmt.Fprintf(w, "~ rounds lie more than %.0f %% apart: measure again on a quieter machine.\n", noisy*100)
	}
	if !slices.ContainsFunc(results, func(r Result) bool { return r.CPU != nil || r.Peak != nil || r.InTime != nil }) {
		fmt.Fprintln(w, "This system does not tell what another process uses: there are rates and latencies alone.")
	}
	for _, r := range results {
		if r.Worst != nil {
			fmt.Fprintf(w, "%s on %s: in the worst second the others had %.1f %% of their usual rate\n    (%.1f %% before one was stuck); p99 %s (%s before).\n",
				r.Scenario.Name, r.Broker, 100*r.Worst.Median, 100*r.CalmWorst.Median, latency(r.P99), latency(r.CalmP99))
		}
	}
	for _, r := range results {
		if r.Allocs != nil {
			fmt.Fprintf(w, "%s with %s: %s allocations for each of the %s.\n", r.Scenario.Name, r.Broker, short(r.Allocs.Median), r.Scenario.Counts)
		}
	}
	for _, r := range results {
		if r.InTime != nil {
			fmt.Fprintf(w, "%s, %s: connected to another node in time in %d of %d rounds, after %s to %s.\n",
				r.Scenario.Name, r.Broker, *r.InTime, r.Rounds, seconds(r.P50.Min), seconds(r.P50.Max))
		}
	}
	for _, c := range b.Contenders {
		if c.Missing != "" {
			fmt.Fprintf(w, "%s is left out: %s.\n", c.Name, c.Missing)
		}
	}
}
