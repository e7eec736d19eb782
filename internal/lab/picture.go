package lab

import (
	"fmt"
	"html"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// A picture is SVG. It takes its colours from classes, so that a page can show it
// light or dark; alone it brings pictureStyle.

// pictureStyle is the style of a picture that stands alone.
const pictureStyle = `<style>
.pic text{font:12px system-ui,sans-serif;fill:#1f2328}.pic .dim{fill:#656d76}.pic .grid{stroke:#d8dee4}
.pic .fault{fill:#bf8700;fill-opacity:.14}.pic .blank{fill:#fff}.pic .track{fill:#2da44e;fill-opacity:.35}.pic .deaf{fill:#cf222e}.pic .aware{fill:#cf222e;fill-opacity:.28}
.pic .mark{fill:#0969da;stroke:#fff}.pic .a{stroke:#0969da}.pic .b{stroke:#cf222e}.pic .c{stroke:#8250df}.pic .line{fill:none;stroke-width:2}
@media (prefers-color-scheme:dark){.pic .blank{fill:#0d1117}.pic text{fill:#e6edf3}.pic .dim{fill:#8d96a0}.pic .grid{stroke:#30363d}.pic .deaf,.pic .aware{fill:#f85149}
.pic .mark{fill:#58a6ff;stroke:#0d1117}.pic .a{stroke:#58a6ff}.pic .b{stroke:#f85149}.pic .c{stroke:#bc8cff}}
</style>`

// Measures of pictures, in units of 1/96 inch.
const (
	pictureWidth = 760
	nameWidth    = 130
	wordWidth    = 150
	rowHeight    = 22
	axisHeight   = 26
)

// WriteSVG writes the timeline of one fault at one broker as a picture that
// stands alone: that of tellingCells.
func WriteSVG(w io.Writer, found Findings) error {
	chosen := tellingCells(found.Cells)
	if len(chosen) == 0 {
		return fmt.Errorf("lab: no picture: no broker vanished from receiving contenders in this run; choose --fault power-off")
	}
	_, err := io.WriteString(w, timelinePicture(chosen, pictureStyle)+"\n")
	if err != nil {
		return fmt.Errorf("lab: write picture: %w", err)
	}
	return nil
}

// tellingCells returns the cells of the fault that tells most, one for each
// contender: power-off, or the first of any, at nats-server if it was tried
// there.
func tellingCells(cells []Cell) (chosen []Cell) {
	for _, fault := range append([]string{"power-off"}, Faults()...) {
		for _, broker := range []string{NATSServer, Vigil, NATSCluster} {
			for _, c := range cells {
				if c.Fault == fault && c.Broker == broker && c.Dead && c.Activity == Receiving && c.Run == 1 {
					chosen = append(chosen, c)
				}
			}
			if len(chosen) > 0 {
				return chosen
			}
		}
	}
	return nil
}

// timelinePicture shows, for one fault, who was deaf from when to when, when each
// noticed, and what it missed: a row for each cell.
func timelinePicture(cells []Cell, style string) string {
	end := time.Duration(0)
	for _, c := range cells {
		end = max(end, time.Duration(c.FaultMS)*time.Millisecond+4*time.Second, c.DeafTo+time.Second)
	}
	start := -time.Second
	scale := float64(pictureWidth-nameWidth-wordWidth) / float64(end-start)
	x := func(d time.Duration) float64 { return nameWidth + scale*float64(min(max(d, start), end)-start) }
	height := axisHeight + rowHeight*len(cells)
	var b strings.Builder
	first := cells[0]
	label := fmt.Sprintf("%s at %s, %s: who was deaf, and who noticed", first.Fault, first.Broker, first.Activity)
	fmt.Fprintf(&b, `<svg class="pic" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">%s`,
		pictureWidth, height, html.EscapeString(label), style)
	fmt.Fprintf(&b, `<rect class="fault" x="%.1f" y="0" width="%.1f" height="%d"/>`,
		x(0), x(time.Duration(first.FaultMS)*time.Millisecond)-x(0), rowHeight*len(cells))
	for _, d := range ticks(end) {
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="0" y2="%d"/>`, x(d), x(d), height-axisHeight+4)
		fmt.Fprintf(&b, `<text class="dim" x="%.1f" y="%d" text-anchor="middle">%g s</text>`, x(d), height-8, d.Seconds())
	}
	for k, c := range cells {
		drawRow(&b, c, k*rowHeight, start, end, x)
	}
	b.WriteString(`</svg>`)
	return b.String()
}

// drawRow draws one contender's row, whose top is at y.
func drawRow(b *strings.Builder, c Cell, y int, start, end time.Duration, x func(time.Duration) float64) {
	middle := y + rowHeight/2
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, nameWidth-8, middle+4, html.EscapeString(c.Contender))
	fmt.Fprintf(b, `<rect class="track" x="%.1f" y="%d" width="%.1f" height="8"/>`, x(start), middle-4, x(end)-x(start))
	if from, to, deaf := c.deafSpan(end); deaf { // the track does not shine through
		fmt.Fprintf(b, `<rect class="blank" x="%.1f" y="%d" width="%.1f" height="8"/>`, x(from), middle-4, x(to)-x(from))
		knew := to
		if c.DetectedMS != nil {
			knew = min(max(time.Duration(*c.DetectedMS)*time.Millisecond, from), to)
		}
		fmt.Fprintf(b, `<rect class="deaf" x="%.1f" y="%d" width="%.1f" height="8"><title>deaf from %.2f s to %.2f s</title></rect>`,
			x(from), middle-4, x(knew)-x(from), from.Seconds(), to.Seconds())
		fmt.Fprintf(b, `<rect class="aware" x="%.1f" y="%d" width="%.1f" height="8"/>`, x(knew), middle-4, x(to)-x(knew))
	}
	if c.DetectedMS != nil {
		at := x(time.Duration(*c.DetectedMS) * time.Millisecond)
		fmt.Fprintf(b, `<path class="mark" d="M%.1f %d l6 6 l-6 6 l-6 -6 z"><title>%s</title></path>`, at, middle-6, html.EscapeString(c.Cause))
	}
	fmt.Fprintf(b, `<text class="dim" x="%d" y="%d">%s</text>`, pictureWidth-wordWidth+8, middle+4, html.EscapeString(c.caption()))
}

// deafSpan is from when to when it was deaf, in the picture.
func (c Cell) deafSpan(end time.Duration) (from, to time.Duration, deaf bool) {
	if c.DeafMS == nil || *c.DeafMS == 0 {
		return 0, 0, false
	}
	if !c.Resumed {
		return c.DeafFrom, end, true
	}
	return c.DeafFrom, c.DeafTo, true
}

// caption is what stands at the end of a row.
func (c Cell) caption() string {
	word := "not noticed"
	if c.DetectedMS != nil {
		word = seconds(time.Duration(*c.DetectedMS) * time.Millisecond)
	} else if !c.Dead {
		word = "quiet"
	}
	if c.Missed > 0 {
		word += fmt.Sprintf(", missed %d", c.Missed)
	}
	return word
}

// ticks returns round times from 0 to end, six or so.
func ticks(end time.Duration) []time.Duration {
	step := time.Second
	for _, factor := range []time.Duration{2, 5, 10, 20, 30, 60, 120, 300} {
		if end/step > 8 {
			step = factor * time.Second
		}
	}
	var all []time.Duration
	for d := time.Duration(0); d <= end; d += step {
		all = append(all, d)
	}
	return all
}

// Measures of the distribution's picture: its axis is logarithmic.
const (
	ecdfHeight = 300
	ecdfFrom   = 0.1
	ecdfTo     = 1000.0
)

// ecdfPicture shows the share of the silent faults that each contender had
// noticed after some time: a line that does not reach 100 % did not notice all.
func ecdfPicture(cells []Cell, style string) string {
	x := func(s float64) float64 {
		s = min(max(s, ecdfFrom), ecdfTo)
		return 50 + (pictureWidth-50-wordWidth)*math.Log10(s/ecdfFrom)/math.Log10(ecdfTo/ecdfFrom)
	}
	y := func(share float64) float64 { return 12 + (ecdfHeight-12-axisHeight)*(1-share) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="pic" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="Share of silent faults noticed over time">%s`,
		pictureWidth, ecdfHeight, style)
	for _, s := range []float64{0.1, 1, 10, 100, 1000} {
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, x(s), x(s), y(0), y(1))
		fmt.Fprintf(&b, `<text class="dim" x="%.1f" y="%d" text-anchor="middle">%g s</text>`, x(s), ecdfHeight-8, s)
	}
	for _, share := range []float64{0, 0.5, 1} {
		fmt.Fprintf(&b, `<line class="grid" x1="50" x2="%d" y1="%.1f" y2="%.1f"/>`, pictureWidth-wordWidth, y(share), y(share))
		fmt.Fprintf(&b, `<text class="dim" x="44" y="%.1f" text-anchor="end">%.0f %%</text>`, y(share)+4, 100*share)
	}
	var taken []float64 // where there are labels
	for k, name := range contendersIn(cells) {
		times, all := silentTimes(cells, name)
		if all == 0 {
			continue
		}
		path, share := fmt.Sprintf("M%.1f %.1f", x(ecdfFrom), y(0)), 0.0
		for n, d := range times {
			next := float64(n+1) / float64(all)
			path += fmt.Sprintf("H%.1fV%.1f", x(d.Seconds()), y(next))
			share = next
		}
		path += fmt.Sprintf("H%.1f", x(ecdfTo))
		fmt.Fprintf(&b, `<path class="line %s" stroke-dasharray="%s" d="%s"/>`, familyClass(name), dashes[k%len(dashes)], path)
		fmt.Fprintf(&b, `<text x="%d" y="%.1f">%s</text>`, pictureWidth-wordWidth+8, place(&taken, y(share)+4), html.EscapeString(name))
	}
	b.WriteString(`</svg>`)
	return b.String()
}

// dashes tell the lines of one family apart.
var dashes = []string{"none", "6 3", "2 3", "9 3 2 3"}

// familyClass is the class of the colour of a contender's line.
func familyClass(name string) string {
	switch {
	case strings.HasPrefix(name, "vigil"):
		return "a"
	case strings.HasPrefix(name, "nats"):
		return "b"
	}
	return "c"
}

// place returns the nearest place for a label that is not taken.
func place(taken *[]float64, y float64) float64 {
	for step := 0.0; ; step++ {
		for _, at := range []float64{y + 13*step, y - 13*step} {
			free := at > 10 && at < ecdfHeight-10 && !slices.ContainsFunc(*taken, func(t float64) bool { return math.Abs(t-at) < 13 })
			if free || step > 40 {
				*taken = append(*taken, at)
				return at
			}
		}
	}
}

// silentTimes returns the times in which a contender noticed silent faults by
// itself, sorted, and how many such faults it faced.
func silentTimes(cells []Cell, name string) (times []time.Duration, all int) {
	for _, c := range cells {
		w := wayNamed(c.Fault)
		if c.Contender != name || !w.dead || !w.silent {
			continue
		}
		all++
		if c.DetectedMS != nil && c.Computed == "" {
			times = append(times, time.Duration(*c.DetectedMS)*time.Millisecond)
		}
	}
	slices.Sort(times)
	return times, all
}
