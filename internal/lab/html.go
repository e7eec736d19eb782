package lab

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"vigil/broker"
)

//go:embed report.html
var reportHTML string

var reportTemplate = template.Must(template.New("report").Parse(reportHTML))

// report is what the page shows.
type report struct {
	Headline headline
	When     string
	Machine  []string
	Blocks   []reportBlock
	Story    *reportPicture // of one fault; nil if no broker vanished
	ECDF     template.HTML
	Notes    []string
	Limits   []string
	Judged   int // cells in which Vigil was judged
	Broken   int
	Cells    []Cell
}

// reportBlock is one broker in one activity.
type reportBlock struct {
	Broker     string
	Activity   Activity
	Contenders []string
	Rows       []reportRow
	Timelines  []reportPicture
}

type reportRow struct {
	Fault, About string
	Dead         bool
	Fields       []reportField
}

type reportField struct{ Word, Class, Title string }

type reportPicture struct {
	Fault, About string
	SVG          template.HTML
}

var gradeClasses = map[grade]string{gradeGood: "good", gradeLate: "late", gradeDeaf: "bad", gradeFalse: "false"}

// limits are what the matrix cannot say.
var limits = []string{
	"One machine: network namespaces, whose links have no delay unless a fault gives them one.",
	"Each time is from the moment at which the fault was made, on the machine's wall clock, and includes what a busy machine needs to run the contender.",
	"A message is missed if a broker took it and the contender, subscribed, had not got it when the run ended.",
	"What would take longer than the run is computed from the settings, and marked.",
	"Vigil's promise counts from the last byte it heard. It is longer by what its process was not running, of which a meter beside it must know: paused_ms.",
	"Vigil publishes on a second connection: while it publishes, its publisher's verdict counts.",
}

// WriteHTML writes the findings as a page that needs nothing else. It holds the
// cells as JSON in its element with the id "cells".
func WriteHTML(w io.Writer, found Findings, now time.Time) error {
	if err := reportTemplate.Execute(w, reportOf(found, now)); err != nil {
		return fmt.Errorf("lab: write the page: %w", err)
	}
	return nil
}

func reportOf(found Findings, now time.Time) report {
	r := report{
		Headline: headlineOf(found.Cells), When: now.UTC().Format("2 January 2006, 15:04 UTC"), Machine: machine(),
		ECDF: template.HTML(ecdfPicture(found.Cells, "")), Notes: notes(found), Limits: limits,
		Broken: brokenIn(found.Cells), Cells: found.Cells,
	}
	for _, c := range found.Cells {
		if c.Contender == "vigil" {
			r.Judged++
		}
	}
	if cells := tellingCells(found.Cells); len(cells) > 0 {
		r.Story = &reportPicture{cells[0].Fault, wayNamed(cells[0].Fault).about + ", at " + cells[0].Broker, template.HTML(timelinePicture(cells, ""))}
	}
	all := summarise(found.Cells)
	for _, name := range MatrixBrokers() {
		for _, a := range Activities() {
			block := slices.DeleteFunc(slices.Clone(all), func(s summary) bool { return s.Broker != name || s.Activity != a })
			if len(block) > 0 {
				r.Blocks = append(r.Blocks, blockOf(block))
			}
		}
	}
	return r
}

// blockOf makes the table and the pictures of one broker in one activity.
func blockOf(all []summary) reportBlock {
	b := reportBlock{Broker: all[0].Broker, Activity: all[0].Activity}
	for _, s := range all {
		if !slices.Contains(b.Contenders, s.Contender) {
			b.Contenders = append(b.Contenders, s.Contender)
		}
	}
	for from := 0; from < len(all); {
		to := from
		for to < len(all) && all[to].Fault == all[from].Fault {
			to++
		}
		w := wayNamed(all[from].Fault)
		row := reportRow{Fault: w.name, About: w.about, Dead: w.dead, Fields: make([]reportField, len(b.Contenders))}
		var cells []Cell
		for _, s := range all[from:to] {
			row.Fields[slices.Index(b.Contenders, s.Contender)] = reportField{s.word(), gradeClasses[s.grade()], s.title()}
			cells = append(cells, s.Cell)
		}
		b.Rows = append(b.Rows, row)
		if b.Activity != IdleActivity { // nobody knows who was deaf to nothing
			b.Timelines = append(b.Timelines, reportPicture{w.name, w.about, template.HTML(timelinePicture(cells, ""))})
		}
		from = to
	}
	return b
}

// title is what a field of the table tells on being pointed at.
func (s summary) title() string {
	parts := []string{s.Contender}
	if s.Cause != "" {
		parts = append(parts, "said: "+s.Cause)
	}
	if len(s.detected) > 1 {
		d := s.detected
		parts = append(parts, fmt.Sprintf("n %d of %d, min %s, median %s, p95 %s, max %s", len(d), len(s.cells),
			seconds(d[0]), seconds(quantile(d, 0.5)), seconds(quantile(d, 0.95)), seconds(d[len(d)-1])))
	}
	if s.Missed > 0 {
		parts = append(parts, fmt.Sprintf("missed %d", s.Missed))
	}
	if s.PublishedLost != nil {
		parts = append(parts, fmt.Sprintf("lost %d published", *s.PublishedLost))
	}
	if s.IdleBytesPerS != nil {
		parts = append(parts, fmt.Sprintf("%.0f bytes/s idle", *s.IdleBytesPerS))
	}
	return strings.Join(parts, "; ")
}

// machine says what it was measured on.
func machine() []string {
	lines := []string{
		fmt.Sprintf("%d processors, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version()),
		"nats-server " + server.VERSION + ", nats.go " + nats.Version + ", Vigil as of this build, which calls itself " + broker.Version + " to clients",
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		lines[0] += ", Linux " + strings.TrimSpace(string(release))
	}
	return lines
}

// WriteMarkdown writes the findings for the review of an incident.
func WriteMarkdown(w io.Writer, found Findings, now time.Time) error {
	r := reportOf(found, now)
	var b strings.Builder
	fmt.Fprintf(&b, "## How long would we be deaf?\n\n**%s** %s\n\n%s. %s.\n", r.Headline.Sentence, r.Headline.Beside, r.When, strings.Join(r.Machine, ". "))
	for _, block := range r.Blocks {
		fmt.Fprintf(&b, "\n### %s, %s\n\n| fault | %s |\n|---|%s\n", block.Broker, block.Activity,
			strings.Join(block.Contenders, " | "), strings.Repeat("---|", len(block.Contenders)))
		for _, row := range block.Rows {
			fmt.Fprintf(&b, "| %s: %s |", row.Fault, row.About)
			for _, f := range row.Fields {
				b.WriteString(" " + f.Word + " |")
			}
			b.WriteString("\n")
		}
	}
	b.WriteString("\n")
	for _, note := range append(r.Notes, r.Limits...) {
		b.WriteString("- " + note + "\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("lab: write the review: %w", err)
	}
	return nil
}
