package qos

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"time"
)

// Measures of the chart, in pixels.
const (
	svgMargin  = 24
	svgHead    = 118 // above the panels
	svgFoot    = 44
	svgColumns = 3
	svgPanel   = 320 // from panel to panel
	svgRow     = 300
	svgLeft    = 44  // of a panel, for its axis
	svgTop     = 34  // of a panel, for its name
	svgPlot    = 250 // width of what is drawn
	svgTall    = 200 // and its height, without the row for those without mistakes
	svgNone    = 28  // that row
)

// Ends of the axes.
const (
	svgSoonest, svgLatest = 0.9, 6.0   // seconds, to the verdict
	svgOften, svgRare     = 1.0, 30.01 // from a second to so many days between mistakes
)

// svgColours are the families', on white and on black; told apart by their marks
// as well.
var svgColours = [][2]string{
	{"#0b6e69", "#4fd1c5"}, {"#7a8794", "#8b98a5"}, {"#b5473c", "#f28b7d"},
	{"#b26a00", "#e9a23b"}, {"#3f5fb0", "#8ea8f0"}, {"#8a3f94", "#d494de"},
}

// svgMarks are drawn around a point.
var svgMarks = []string{"M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0", "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0", "M-3-3h6v6h-6z",
	"M0-4L4 3H-4z", "M0-4L4 0L0 4L-4 0z", "M0 4L4-3H-4z"}

// Panels are the models that are drawn unless others are asked for.
func Panels() []Model {
	var panels []Model
	for _, name := range []string{"datagram-1%", "datagram-10%", "loss-bursts", "stream-1%", "stream-10%", "peer-pauses"} {
		m, _ := FindModel(name)
		panels = append(panels, m)
	}
	return panels
}

// WriteSVG draws a panel for each model: the time between two mistakes against
// the detection time, at an equal rate of heartbeats. Higher is better, and so
// is further left.
func WriteSVG(w io.Writer, frontiers []Frontier, length Length) error {
	families := Families()
	panels := (len(frontiers) + len(families) - 1) / len(families)
	columns := min(svgColumns, max(1, panels))
	width := 2*svgMargin + svgColumns*svgPanel
	height := svgHead + (panels+columns-1)/columns*svgRow + svgFoot
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" font-family="system-ui, sans-serif" font-size="12">`+"\n",
		width, height, width, height)
	out.WriteString("<title>Failure detectors: mistakes against detection time, at an equal rate of heartbeats</title>\n")
	writeStyle(&out)
	fmt.Fprintf(&out, `<rect class="paper" width="%d" height="%d"/>`+"\n", width, height)
	label(&out, svgMargin, 34, `class="ink" font-size="20" font-weight="600"`, "How often a living peer is given up, against how soon a dead one is")
	label(&out, svgMargin, 56, `class="dim"`, "Mean time between two false alarms against the detection time (99 of 100), for one heartbeat a second each.")
	label(&out, svgMargin, 72, `class="dim"`, "Higher is better, and so is further left.")
	writeLegend(&out, families)
	for i := range panels {
		x, y := svgMargin+i%columns*svgPanel, svgHead+i/columns*svgRow
		writePanel(&out, x, y, frontiers[i*len(families):(i+1)*len(families)])
	}
	label(&out, svgMargin, height-16, `class="dim" font-size="11"`,
		fmt.Sprintf("Simulated: %g days for each point, %d ends of the peer. “none”: no false alarm in that time.", length.Days, length.Kills))
	out.WriteString("</svg>\n")
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("qos: write chart: %w", err)
	}
	return nil
}

// writeStyle has the colours follow the reader's choice of light or dark.
func writeStyle(out *bytes.Buffer) {
	out.WriteString("<style>\n.paper{fill:#fff}.ink{fill:#1d2327}.dim{fill:#57606a}.grid{stroke:#e4e8ec;fill:none}.band{fill:#f1f5f4}\n")
	for i, c := range svgColours {
		fmt.Fprintf(out, ".l%d{stroke:%s;fill:none}.m%d{fill:%s}\n", i, c[0], i, c[0])
	}
	out.WriteString("@media(prefers-color-scheme:dark){.paper{fill:#14181c}.ink{fill:#e8ecef}.dim{fill:#9aa5af}.grid{stroke:#2b333a}.band{fill:#1a2224}\n")
	for i, c := range svgColours {
		fmt.Fprintf(out, ".l%d{stroke:%s}.m%d{fill:%s}\n", i, c[1], i, c[1])
	}
	out.WriteString("}\n</style>\n")
}

func writeLegend(out *bytes.Buffer, families []Family) {
	x := svgMargin
	for i, f := range families {
		fmt.Fprintf(out, `<path class="l%d" d="M%d 94h22" stroke-width="%s"/><path class="m%d" transform="translate(%d 94)" d="%s"/>`+"\n",
			i, x, strokeOf(i), i, x+11, svgMarks[i])
		label(out, x+28, 98, `class="ink"`, f.Name)
		x += 44 + 7*len(f.Name)
	}
}

// strokeOf is the width of a family's line: ours stands out.
func strokeOf(family int) string {
	if family == 0 {
		return "2.5"
	}
	return "1.3"
}

// acrossOf and upOf place a point within the plot.
func acrossOf(detection time.Duration) float64 {
	return (detection.Seconds() - svgSoonest) / (svgLatest - svgSoonest) * svgPlot
}

func upOf(recurrence time.Duration) float64 {
	rare := math.Log(svgRare * 24 * 3600 / svgOften)
	return svgNone + svgTall*(1-math.Log(max(recurrence.Seconds(), svgOften)/svgOften)/rare)
}

func writePanel(out *bytes.Buffer, x, y int, frontiers []Frontier) {
	fmt.Fprintf(out, `<g transform="translate(%d %d)">`+"\n", x+svgLeft, y+svgTop)
	label(out, 0, -12, `class="ink" font-weight="600"`, frontiers[0].Model.Name)
	fmt.Fprintf(out, `<rect class="band" width="%d" height="%d"/>`+"\n", svgPlot, svgNone)
	label(out, -6, svgNone/2+4, `class="dim" text-anchor="end" font-size="11"`, "none")
	for _, tick := range []struct {
		at   time.Duration
		name string
	}{{time.Second, "1 s"}, {time.Minute, "1 min"}, {time.Hour, "1 h"}, {day, "1 d"}, {30 * day, "30 d"}} {
		up := upOf(tick.at)
		fmt.Fprintf(out, `<path class="grid" d="M0 %.1fh%d"/>`+"\n", up, svgPlot)
		label(out, -6, int(up)+4, `class="dim" text-anchor="end" font-size="11"`, tick.name)
	}
	for s := 1; s <= int(svgLatest); s++ {
		at := acrossOf(time.Duration(s) * time.Second)
		fmt.Fprintf(out, `<path class="grid" d="M%.1f 0v%d"/>`+"\n", at, svgNone+svgTall)
		label(out, int(at), svgNone+svgTall+16, `class="dim" text-anchor="middle" font-size="11"`, fmt.Sprintf("%d s", s))
	}
	for i := len(frontiers) - 1; i >= 0; i-- { // ours on top
		writeLine(out, i, frontiers[i])
	}
	out.WriteString("</g>\n")
}

// writeLine draws a family's points as far as they lie within the plot.
func writeLine(out *bytes.Buffer, family int, f Frontier) {
	var line, marks bytes.Buffer
	for _, p := range f.Points {
		at := acrossOf(p.Detection.P99)
		if at < 0 || at > svgPlot {
			continue
		}
		up := float64(svgNone) / 2
		if p.Mistakes > 0 {
			up = upOf(p.Recurrence())
		}
		command := "L"
		if line.Len() == 0 {
			command = "M"
		}
		fmt.Fprintf(&line, "%s%.1f %.1f", command, at, up)
		fmt.Fprintf(&marks, `<path class="m%d" transform="translate(%.1f %.1f)" d="%s"/>`+"\n", family, at, up, svgMarks[family])
	}
	fmt.Fprintf(out, `<path class="l%d" stroke-width="%s" d="%s"/>`+"\n", family, strokeOf(family), line.String())
	out.Write(marks.Bytes())
}

// label writes text.
func label(out *bytes.Buffer, x, y int, attributes, text string) {
	fmt.Fprintf(out, `<text x="%d" y="%d" %s>`, x, y, attributes)
	_ = xml.EscapeText(out, []byte(text)) // a bytes.Buffer takes all
	out.WriteString("</text>\n")
}
