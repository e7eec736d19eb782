package lab

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// WriteCellsJSON writes one object a line.
func WriteCellsJSON(w io.Writer, cells []Cell) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, c := range cells {
		if err := enc.Encode(c); err != nil {
			return fmt.Errorf("lab: write cells: %w", err)
		}
	}
	return nil
}

// csvColumns are the columns of WriteCellsCSV: the keys of the JSON.
var csvColumns = []string{
	"broker", "activity", "fault", "contender", "run", "mode", "dead", "fault_ms", "detected_ms", "cause", "cause_right", "silence_ms",
	"reconnected_ms", "resumed", "resumed_ms", "missed", "published_lost", "deaf_ms", "deaf_reported_ms", "uncovered", "contradicted",
	"false_alarms", "closed", "paused_ms", "computed_ms", "idle_bytes_per_s", "broken",
}

// WriteCellsCSV writes the cells as a table with the keys of the JSON as its
// head. What is null there is empty.
func WriteCellsCSV(w io.Writer, cells []Cell) error {
	out := csv.NewWriter(w)
	if err := out.Write(csvColumns); err != nil {
		return fmt.Errorf("lab: write cells: %w", err)
	}
	for _, c := range cells {
		object, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("lab: write cells: %w", err)
		}
		var values map[string]json.RawMessage
		if err := json.Unmarshal(object, &values); err != nil {
			return fmt.Errorf("lab: write cells: %w", err)
		}
		row := make([]string, len(csvColumns))
		for k, column := range csvColumns {
			row[k] = csvField(values[column])
		}
		if err := out.Write(row); err != nil {
			return fmt.Errorf("lab: write cells: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("lab: write cells: %w", err)
	}
	return nil
}

// csvField returns a JSON value without quotes, empty for null.
func csvField(value json.RawMessage) string {
	var s string
	switch {
	case string(value) == "null":
		return ""
	case json.Unmarshal(value, &s) == nil:
		return s
	}
	return string(value)
}

// summary is what the repeats of a cell come to.
type summary struct {
	Cell  // the first of them
	cells []Cell
	// detected are the times of those that noticed before anything told them.
	detected []time.Duration
	// connected are the times after which those had a connection again.
	connected []time.Duration
}

// summarise puts the repeats of each cell together, in order.
func summarise(cells []Cell) []summary {
	type key struct {
		broker, fault, contender string
		activity                 Activity
	}
	at := make(map[key]int)
	var all []summary
	for _, c := range cells {
		k := key{c.Broker, c.Fault, c.Contender, c.Activity}
		n, known := at[k]
		if !known {
			n = len(all)
			at[k] = n
			all = append(all, summary{Cell: c})
		}
		s := &all[n]
		s.cells = append(s.cells, c)
		if c.DetectedMS != nil && c.Computed == "" {
			s.detected = append(s.detected, time.Duration(*c.DetectedMS)*time.Millisecond)
			if c.ReconnectedMS != nil {
				s.connected = append(s.connected, time.Duration(*c.ReconnectedMS)*time.Millisecond)
			}
		}
	}
	for k := range all {
		slices.Sort(all[k].detected)
		slices.Sort(all[k].connected)
	}
	return all
}

// quantile returns the smallest of the sorted times that a share q of them does
// not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	k := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(k, 0), len(sorted)-1)]
}

// alarms is how many false alarms there were in all repeats.
func (s summary) alarms() int {
	n := 0
	for _, c := range s.cells {
		n += c.FalseAlarms
	}
	return n
}

// closures is how many connections the broker ended in all repeats.
func (s summary) closures() int {
	n := 0
	for _, c := range s.cells {
		n += c.Closed
	}
	return n
}

// grade says how well a contender did.
type grade int

const (
	gradeGood  grade = iota // noticed within the promise, or rightly did not
	gradeLate               // noticed
	gradeDeaf               // did not notice
	gradeFalse              // noticed what did not happen
)

func (s summary) grade() grade {
	switch {
	case s.alarms() > 0:
		return gradeFalse
	case !s.Dead:
		return gradeGood
	case len(s.detected) < len(s.cells):
		return gradeDeaf
	case quantile(s.detected, 0.5) <= Promise+eventSlack:
		return gradeGood
	}
	return gradeLate
}

// word is the cell of a table: the median time in which the fault was noticed, or
// what there is to say instead.
func (s summary) word() string {
	switch {
	case s.alarms() > 0:
		return strconv.Itoa(s.alarms()) + " false"
	case !s.Dead && s.closures() > 0:
		return strconv.Itoa(s.closures()) + " closed"
	case !s.Dead:
		return "quiet"
	case len(s.detected) == 0 && s.ComputedMS != nil:
		return "(" + shortly(time.Duration(*s.ComputedMS)*time.Millisecond) + ")"
	case len(s.detected) == 0 && s.Computed == "never":
		return "never"
	case len(s.detected) == 0:
		return "deaf"
	}
	word := seconds(quantile(s.detected, 0.5))
	if missing := len(s.cells) - len(s.detected); missing > 0 {
		word += fmt.Sprintf(" %d/%d", len(s.detected), len(s.cells))
	}
	return word
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// shortly formats what was computed.
func shortly(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) }

var gradeColours = map[grade]text.Color{gradeGood: text.FgGreen, gradeLate: text.FgYellow, gradeDeaf: text.FgRed, gradeFalse: text.FgMagenta}

// contendersIn returns the contenders of the cells in the order of the report.
func contendersIn(cells []Cell) []string {
	var names []string
	for _, c := range cells {
		if !slices.Contains(names, c.Contender) {
			names = append(names, c.Contender)
		}
	}
	return names
}

// WriteFindings writes a table for each broker and activity, one row a fault, for
// a terminal of the given width, 0 if that is unknown; and what is to be known
// to read them.
func WriteFindings(w io.Writer, found Findings, width int) {
	if width <= 0 {
		width = proseWidth
	}
	names := contendersIn(found.Cells)
	all := summarise(found.Cells)
	for _, broker := range MatrixBrokers() {
		for _, activity := range Activities() {
			block := slices.DeleteFunc(slices.Clone(all), func(s summary) bool { return s.Broker != broker || s.Activity != activity })
			if len(block) == 0 {
				continue
			}
			fmt.Fprintf(w, "\n%s, %s\n", text.Bold.Sprint(broker), activity)
			for part := range slices.Chunk(names, max(1, (width-faultWidth)/cellWidth)) {
				writeBlock(w, block, part)
			}
		}
	}
	writeRepeats(w, all)
	writeFailovers(w, all)
	fmt.Fprintln(w)
	for _, note := range notes(found) {
		writeWrapped(w, note, min(width, proseWidth), "")
	}
}

// Widths of the tables' columns, in characters.
const (
	faultWidth = 19
	cellWidth  = 18
)

func writeBlock(w io.Writer, block []summary, contenders []string) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	head := table.Row{"fault"}
	for _, name := range contenders {
		head = append(head, name)
	}
	t.AppendHeader(head)
	row := table.Row{}
	for k, s := range block {
		if len(row) == 0 {
			row = make(table.Row, 1+len(contenders))
			row[0] = s.Fault
			for n := range contenders {
				row[1+n] = ""
			}
		}
		if n := slices.Index(contenders, s.Contender); n >= 0 {
			row[1+n] = gradeColours[s.grade()].Sprint(s.word())
		}
		if k+1 == len(block) || block[k+1].Fault != s.Fault {
			t.AppendRow(row)
			row = table.Row{}
		}
	}
	t.Render()
}

// writeRepeats writes how the times are spread, if anything was repeated.
func writeRepeats(w io.Writer, all []summary) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"broker", "activity", "fault", "contender", "n", "min", "median", "p95", "max"})
	repeated := false
	for _, s := range all {
		if len(s.cells) < 2 || len(s.detected) == 0 {
			continue
		}
		repeated = true
		d := s.detected
		t.AppendRow(table.Row{s.Broker, s.Activity, s.Fault, s.Contender, fmt.Sprintf("%d/%d", len(d), len(s.cells)),
			seconds(d[0]), seconds(quantile(d, 0.5)), seconds(quantile(d, 0.95)), seconds(d[len(d)-1])})
	}
	if repeated {
		fmt.Fprintln(w, "\nRepeats: noticed after")
		t.Render()
	}
}

// soonBack is how soon after its verdict a client of a cluster ought to be
// connected to another node: some round trips, one to each node it tries, and as
// much to spare as a busy machine takes.
const soonBack = 250 * time.Millisecond

// writeFailovers writes when the clients of a cluster were connected to another
// node, if anything was repeated.
func writeFailovers(w io.Writer, all []summary) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"fault", "contender", "n", "min", "median", "p95", "max", "in time"})
	repeated := false
	for _, s := range all {
		if s.Broker != NATSCluster || len(s.cells) < 2 || len(s.connected) == 0 {
			continue
		}
		repeated = true
		d := s.connected
		t.AppendRow(table.Row{s.Fault, s.Contender, fmt.Sprintf("%d/%d", len(d), len(s.cells)),
			seconds(d[0]), seconds(quantile(d, 0.5)), seconds(quantile(d, 0.95)), seconds(d[len(d)-1]), s.inTime()})
	}
	if repeated {
		fmt.Fprintf(w, "\nRepeats: connected to another node after; in time is within the bound and %v\n", soonBack)
		t.Render()
	}
}

// inTime is how many were connected again within the contender's bound and
// soonBack, "" if it has none.
func (s summary) inTime() string {
	c, err := contenderNamed(s.Contender)
	if err != nil || c.worst == 0 { // a program of somebody's own, or one that never notices
		return ""
	}
	n := 0
	for _, d := range s.connected {
		if d <= c.worst+soonBack {
			n++
		}
	}
	return fmt.Sprintf("%d/%d", n, len(s.cells))
}

// notes are what is to be known to read the tables.
func notes(found Findings) []string {
	all := []string{
		"A time is how long after the fault the contender noticed. (In brackets): it did not notice within the run; what its settings come to, computed. " +
			"never: by its settings it does not notice. deaf: did not notice within the run, and nothing is computed. quiet: rightly noticed nothing. n false: gave up n working connections. n closed: the broker ended n, of a slow consumer.",
		"Each contender is a process on a host of its own. Broker's faults last until all have noticed, " +
			"or as long as the run allows; the others as long as fault_ms says.",
	}
	for _, s := range found.Skipped {
		all = append(all, "Skipped: "+s)
	}
	for _, s := range found.Failed {
		all = append(all, "Went wrong: "+s)
	}
	if n := brokenIn(found.Cells); n > 0 {
		all = append(all, fmt.Sprintf("Vigil's promises were broken in %d cells:", n))
		for _, c := range found.Cells {
			if c.Broken != "" {
				all = append(all, fmt.Sprintf("%s on %s, %s: %s", c.Fault, c.Broker, c.Activity, c.Broken))
			}
		}
	}
	return all
}

func brokenIn(cells []Cell) int {
	n := 0
	for _, c := range cells {
		if c.Broken != "" {
			n++
		}
	}
	return n
}
