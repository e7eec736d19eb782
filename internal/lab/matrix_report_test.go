package lab

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
)

// someFindings are those of three contenders that faced two faults, twice.
func someFindings() Findings {
	text.DisableColors()
	noticed := func(fault, contender string, run int, ms int64, missed int) Cell {
		return Cell{
			Result: Result{
				Broker: NATSServer, Fault: fault, Contender: contender, DetectedMS: &ms, Cause: "stale: <host> gone", Resumed: true,
				DeafMS: new(ms + 100), DeafFrom: -50 * time.Millisecond, DeafTo: time.Duration(ms)*time.Millisecond + 50*time.Millisecond, Missed: missed,
			},
			Activity: Receiving, Run: run, Dead: true, FaultMS: 5000, CauseRight: new(true),
		}
	}
	deaf := func(run int) Cell {
		return Cell{
			Result: Result{
				Broker: NATSServer, Fault: "power-off", Contender: "nats.go", Missed: 80, ComputedMS: new(int64(360_000)), Computed: "6m0s",
				DeafMS: new(int64(9000)), DeafFrom: -50 * time.Millisecond,
			},
			Activity: Receiving, Run: run, Dead: true, FaultMS: 5000,
		}
	}
	quiet := func(contender string, run, alarms int) Cell {
		return Cell{
			Result:   Result{Broker: NATSServer, Fault: "congested", Contender: contender, Resumed: true, DeafMS: new(int64(0))},
			Activity: Receiving, Run: run, FaultMS: 5000, FalseAlarms: alarms,
		}
	}
	return Findings{
		Cells: []Cell{
			noticed("power-off", "vigil", 1, 1790, 3), deaf(1), noticed("power-off", "nats.go-1s", 1, 2900, 9),
			quiet("vigil", 1, 0), quiet("nats.go", 1, 0), quiet("nats.go-1s", 1, 2),
			noticed("power-off", "vigil", 2, 1830, 3), deaf(2), noticed("power-off", "nats.go-1s", 2, 2700, 9),
			quiet("vigil", 2, 0), quiet("nats.go", 2, 0), quiet("nats.go-1s", 2, 1),
		},
		Skipped: []string{"starved on vigil, receiving: no control groups"},
	}
}

func TestWriteFindings(t *testing.T) {
	var out strings.Builder
	WriteFindings(&out, someFindings(), 100)
	for _, want := range []string{
		"nats-server, receiving",
		"│ power-off │ 1.79 s │ (360 s) │ 2.70 s     │",
		"│ congested │ quiet  │ quiet   │ 3 false    │",
		"│ nats-server │ receiving │ power-off │ vigil      │ 2/2 │ 1.79 s │ 1.79 s │ 1.83 s │ 1.83 s │",
		"Skipped: starved on vigil, receiving: no control groups",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, &out)
		}
	}
}

// A client of a cluster is in time if it is on another node within its bound and
// 250 ms. Who did not come back is not, and of who has no bound nothing is said.
func TestWriteFailovers(t *testing.T) {
	text.DisableColors()
	cell := func(broker, contender string, run int, detected, connected int64) Cell {
		c := Cell{Result: Result{Broker: broker, Fault: "power-off", Contender: contender, DetectedMS: &detected}, Activity: Receiving, Run: run, Dead: true}
		if connected > 0 {
			c.ReconnectedMS = &connected
		}
		return c
	}
	var out strings.Builder
	WriteFindings(&out, Findings{Cells: []Cell{
		cell(NATSCluster, "vigil-1s", 1, 900, 1200), cell(NATSCluster, "vigil-1s", 2, 900, 1250), cell(NATSCluster, "vigil-1s", 3, 900, 1251),
		cell(NATSCluster, "nats.go-1s", 1, 2900, 0), cell(NATSCluster, "nats.go-1s", 2, 2900, 2950), cell(NATSCluster, "nats.go-1s", 3, 2900, 3400),
		cell(NATSCluster, "program", 1, 2000, 2001), cell(NATSCluster, "program", 2, 2000, 2001),
		cell(NATSCluster, "vigil", 1, 1800, 1810), // once is no repeat
		cell(NATSServer, "vigil-1s", 1, 900, 1200), cell(NATSServer, "vigil-1s", 2, 900, 1200),
	}}, 100)
	_, got, _ := strings.Cut(out.String(), "connected to another node after")
	for _, want := range []string{
		"│ power-off │ vigil-1s   │ 3/3 │ 1.20 s │ 1.25 s │ 1.25 s │ 1.25 s │ 2/3     │",
		"│ power-off │ nats.go-1s │ 2/3 │ 2.95 s │ 2.95 s │ 3.40 s │ 3.40 s │ 1/3     │",
		"│ power-off │ program    │ 2/2 │ 2.00 s │ 2.00 s │ 2.00 s │ 2.00 s │         │",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the report lacks %q:\n%s", want, &out)
		}
	}
	if n := strings.Count(got, "│ power-off │"); n != 3 {
		t.Errorf("%d rows, want 3:\n%s", n, got)
	}
}

// A file of CSV has the columns of the JSON, neither more nor fewer.
func TestCellsCSV(t *testing.T) {
	cells := someFindings().Cells
	object, err := json.Marshal(cells[0])
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(object, &keys); err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(slices.Values(csvColumns)), slices.Sorted(maps.Keys(keys)); !slices.Equal(got, want) {
		t.Errorf("columns %v, want %v", got, want)
	}
	var out bytes.Buffer
	if err := WriteCellsCSV(&out, cells); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1+len(cells) {
		t.Fatalf("%d rows, want %d", len(rows), 1+len(cells))
	}
	row := make(map[string]string)
	for k, column := range rows[0] {
		row[column] = rows[1][k]
	}
	if row["detected_ms"] != "1790" || row["cause"] != "stale: <host> gone" || row["computed_ms"] != "" || row["dead"] != "true" {
		t.Errorf("first row %v", row)
	}
}

func TestHeadline(t *testing.T) {
	all := someFindings().Cells
	without := func(name string) []Cell {
		return slices.DeleteFunc(slices.Clone(all), func(c Cell) bool { return c.Contender == name })
	}
	mine := slices.Clone(all)
	for k := range mine {
		if mine[k].Contender == "nats.go-1s" {
			mine[k].Contender = NATSName(time.Second, 2)
		}
	}
	tests := []struct {
		name  string
		cells []Cell
		want  string
	}{
		{"nats.go as it comes", all, "nats.go would be deaf for up to 360\u00a0s, by its settings, when its broker's host loses power. Vigil noticed it after 1.83\u00a0s."},
		{"the reader's settings", mine, "nats.go:1sx2 would be deaf for 2.90\u00a0s when its broker's host loses power. Vigil noticed it after 1.83\u00a0s."},
		{"who took part", without("nats.go"), "vigil would be deaf for 1.83\u00a0s when its broker's host loses power. "},
		{"nothing", nil, "No broker vanished in this run. "},
	}
	for _, tt := range tests {
		if h := headlineOf(tt.cells); h.Sentence+" "+h.Beside != tt.want {
			t.Errorf("%s: %q %q, want %q", tt.name, h.Sentence, h.Beside, tt.want)
		}
	}
}

// The page is whole: nothing from elsewhere, all numbers, and the cells as they
// were measured.
func TestWriteHTML(t *testing.T) {
	found := someFindings()
	var out strings.Builder
	if err := WriteHTML(&out, found, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	if link := regexp.MustCompile(`(src|href|url)\s*[=(]\s*["']?(https?:)?//`).FindString(page); link != "" {
		t.Errorf("the page needs something else: %s", link)
	}
	for _, want := range []string{
		"<h1>nats.go would be deaf for up to 360\u00a0s, by its settings, when", "Vigil noticed it after 1.83\u00a0s",
		`<td class="good" title="vigil; said: stale: &lt;host&gt; gone;`, `">1.79 s</td>`, `">(360 s)</td>`, `<td class="false"`, "3 false</td>",
		"kept in all of its 4", "<title>deaf from -0.05 s to 1.84 s</title>", "missed 80", "Skipped: starved",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, part := range regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(page, -1) {
		wellFormed(t, part)
	}
	_, data, _ := strings.Cut(page, `id="cells">`)
	data, _, _ = strings.Cut(data, "</script>")
	var cells []Cell
	if err := json.Unmarshal([]byte(data), &cells); err != nil {
		t.Fatal(err)
	}
	if len(cells) != len(found.Cells) || *cells[0].DetectedMS != 1790 || cells[0].Cause != found.Cells[0].Cause {
		t.Errorf("%d cells in the page, the first %+v", len(cells), cells[0])
	}
}

func TestWriteSVG(t *testing.T) {
	var out strings.Builder
	if err := WriteSVG(&out, someFindings()); err != nil {
		t.Fatal(err)
	}
	wellFormed(t, out.String())
	if got := strings.Count(out.String(), `class="track"`); got != 3 {
		t.Errorf("%d rows, want 3", got)
	}
	if err := WriteSVG(&out, Findings{}); err == nil {
		t.Error("a picture of nothing")
	}
}

func wellFormed(t *testing.T, picture string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(picture)); ; {
		switch _, err := d.Token(); {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			t.Fatalf("%v in %s", err, picture)
		}
	}
}

func TestWriteMarkdown(t *testing.T) {
	var out strings.Builder
	if err := WriteMarkdown(&out, someFindings(), time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"**nats.go would be deaf for up to 360\u00a0s, by its settings, when", "| fault | vigil | nats.go | nats.go-1s |\n|---|---|---|---|\n",
		"| power-off: the host is gone, and back at the end | 1.79 s | (360 s) | 2.70 s |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the review lacks %q:\n%s", want, &out)
		}
	}
}

func TestQuantile(t *testing.T) {
	var d []time.Duration
	for n := range 20 {
		d = append(d, time.Duration(n+1))
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 10, 0.95: 19, 1: 20} {
		if got := quantile(d, q); got != want {
			t.Errorf("quantile %v is %d, want %d", q, got, want)
		}
	}
	if got := quantile(d[:1], 0.95); got != 1 {
		t.Errorf("of one it is %d", got)
	}
}

func TestVerdictOfFindings(t *testing.T) {
	found := someFindings()
	if err := found.Verdict(); err != nil {
		t.Error(err)
	}
	found.Failed = []string{"kill on vigil, idle: no broker"}
	if err := found.Verdict(); err == nil || !strings.Contains(err.Error(), "no broker") {
		t.Errorf("a trial went wrong: %v", err)
	}
	found.Cells[0].Broken = "did not notice"
	if err := found.Verdict(); err == nil || !strings.Contains(err.Error(), "power-off on nats-server, receiving: did not notice") {
		t.Errorf("a promise was broken: %v", err)
	}
}
