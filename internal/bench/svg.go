package bench

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
)

// Measures of the chart, in pixels.
const (
	svgWidth   = 920
	svgMargin  = 24
	svgName    = 190 // the column of the scenarios' names
	svgBroker  = 96  // that of the contenders'
	svgValue   = 170 // what is left for figures behind the longest bar
	svgBar     = 16  // height of a bar
	svgRow     = 21  // from bar to bar
	svgGap     = 16  // between scenarios
	svgHead    = 88  // above the first
	svgFoot    = 34
	svgBarLeft = svgMargin + svgName + svgBroker
	svgLongest = svgWidth - svgMargin - svgValue - svgBarLeft
)

// svgColours are the contenders', in their order, told apart in grey, too.
var svgColours = []string{"#0b6e69", "#e39a3b", "#b5473c", "#a7adb5"}

// bars are a scenario's part of the chart.
type bars struct {
	name, unit string
	results    []Result
	figures    []*Summary
	ratio      *float64
}

// WriteSVG draws the results as a bar chart: for each scenario what a delivery
// costs each contender, or a connection in memory where that is what the
// scenario measures. Each scenario has a scale of its own.
func WriteSVG(w io.Writer, b Bench, results []Result, ratios []Ratio) error {
	groups := chart(results, ratios)
	height := svgHead + svgFoot
	for _, g := range groups {
		height += svgGap + svgRow*len(g.figures)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" font-family="system-ui, sans-serif" font-size="13" fill="#1d2327">`+"\n",
		svgWidth, height, svgWidth, height)
	out.WriteString("<title>What a message costs each broker</title>\n")
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", svgWidth, height)
	label(&out, svgMargin, 36, `font-size="20" font-weight="600"`, "What a message costs each broker")
	label(&out, svgMargin, 58, `fill="#57606a"`,
		"Broker processor time for each delivery, or memory for each connection; shorter is better.")
	label(&out, svgMargin, 76, `fill="#57606a"`,
		fmt.Sprintf("Each scenario has its own scale. The factor is %s's advantage over %s.", b.Contenders[0].Name, b.Contenders[1].Name))
	y := svgHead
	for _, g := range groups {
		y = g.draw(&out, b, y+svgGap)
	}
	label(&out, svgMargin, height-12, `fill="#57606a" font-size="11"`, "Medians; the thin lines reach from the least to the most of the rounds.")
	out.WriteString("</svg>\n")
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("bench: write chart: %w", err)
	}
	return nil
}

// chart groups the results by scenario and chooses what is drawn of each.
func chart(results []Result, ratios []Ratio) []bars {
	var groups []bars
	for _, r := range results {
		figure, unit := r.CPU, "µs"
		if r.Each != nil {
			figure, unit = r.Each, "KiB"
		}
		if figure == nil || r.Err != nil {
			continue
		}
		if last := len(groups) - 1; last < 0 || groups[last].name != r.Scenario.Name {
			groups = append(groups, bars{name: r.Scenario.Name, unit: unit})
		}
		g := &groups[len(groups)-1]
		g.results, g.figures = append(g.results, r), append(g.figures, figure)
	}
	for i := range groups {
		for _, ratio := range ratios {
			if ratio.Scenario == groups[i].name && ratio.Of == groups[i].results[0].Broker {
				groups[i].ratio = ratio.CPU
				if groups[i].unit == "KiB" {
					groups[i].ratio = ratio.Memory
				}
			}
		}
	}
	return groups
}

// draw draws a scenario from y on, and returns where it ends.
func (g bars) draw(out *bytes.Buffer, b Bench, y int) int {
	most := 0.0
	for _, f := range g.figures {
		most = max(most, f.Max)
	}
	label(out, svgMargin, y+12, `font-weight="600"`, g.name)
	for i, f := range g.figures {
		broker := g.results[i].Broker
		label(out, svgBarLeft-8, y+12, `text-anchor="end"`, broker)
		at := func(v float64) float64 { return svgBarLeft + v/max(most, 1e-12)*svgLongest }
		fmt.Fprintf(out, `<rect x="%d" y="%d" width="%.1f" height="%d" rx="2" fill="%s"/>`+"\n",
			svgBarLeft, y, max(at(f.Median)-svgBarLeft, 1), svgBar, b.colour(broker))
		fmt.Fprintf(out, `<path d="M%.1f %dH%.1f" stroke="#1d2327" stroke-width="1"/>`+"\n", at(f.Min), y+svgBar/2, at(f.Max))
		text := short(f.Median) + " " + g.unit
		if i == 0 && g.ratio != nil {
			text += "  (" + short(*g.ratio) + "×)"
		}
		label(out, int(at(max(f.Median, f.Max)))+8, y+12, "", text)
		y += svgRow
	}
	return y
}

// colour is the contender's.
func (b Bench) colour(broker string) string {
	for i, c := range b.Contenders {
		if c.Name == broker {
			return svgColours[i%len(svgColours)]
		}
	}
	return svgColours[len(svgColours)-1]
}

// label writes text.
func label(out *bytes.Buffer, x, y int, attributes, text string) {
	fmt.Fprintf(out, `<text x="%d" y="%d" %s>`, x, y, attributes)
	_ = xml.EscapeText(out, []byte(text)) // a bytes.Buffer takes all
	out.WriteString("</text>\n")
}
