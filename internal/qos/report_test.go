package qos

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
)

var sample = []Result{
	{Model: Model{Name: "stream-1%"}, Detector: Detector{Name: "default"}, Days: 30,
		Detection: Spread{900 * ms, 1350 * ms, 1801 * ms, 1810 * ms}, Accuracy: 1, BytesPerSecond: 233.26},
	{Model: Model{Name: "stream-1%"}, Detector: Detector{Name: "nats.go"}, Days: 60,
		Detection: Spread{0, 12*time.Second + 123456*time.Microsecond, 13 * time.Second, 5 * time.Minute}, Missed: 2,
		Mistakes: 25, MistakeTime: 44 * ms, Accuracy: 0.99999, BytesPerSecond: 12},
}

func TestWriteJSON(t *testing.T) {
	var out bytes.Buffer
	if err := WriteJSON(&out, sample); err != nil {
		t.Fatal(err)
	}
	want := `{"model":"stream-1%","detector":"default","td_ms":{"min":900,"mean":1350,"p99":1801,"max":1810},"mistakes_per_30d":0,"mistake_ms":null,"accuracy":1,"bytes_per_s":233.3,"simulated_days":30}
{"model":"stream-1%","detector":"nats.go","td_ms":{"min":0,"mean":12123.5,"p99":13000,"max":300000},"mistakes_per_30d":12.5,"mistake_ms":44,"accuracy":0.99999,"bytes_per_s":12,"simulated_days":60}
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	for line := range strings.Lines(out.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

func TestWriteTable(t *testing.T) {
	text.DisableColors()
	var out bytes.Buffer
	WriteTable(&out, sample)
	WriteNotes(&out, Length{Days: 30, Kills: 1000})
	for _, want := range []string{"stream-1%", "default", "1.35 s", "none", "nats.go", "12.1 s", "2 missed", "12", "44 ms", "0.001 %", "1000 ends"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	for line := range strings.Lines(out.String()) {
		if n := len([]rune(line)); n > 101 {
			t.Errorf("a line of %d characters: %s", n, line)
		}
	}
}

// The chart is XML, and each family's line is in each panel.
func TestWriteSVG(t *testing.T) {
	models := Panels()[:2]
	length := Length{Days: 0.02, Kills: 10, Seed: 1}
	results, err := Run(t.Context(), FrontierCells(models), length, func(int, Cell) {})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := WriteSVG(&out, Frontiers(models, results), length); err != nil {
		t.Fatal(err)
	}
	drawn := out.String()
	lines := strings.Count(drawn, `<path class="l`)
	if want := len(Families()) * (len(models) + 1); lines != want { // and the legend
		t.Errorf("%d lines, want %d", lines, want)
	}
	if !strings.Contains(drawn, "prefers-color-scheme:dark") || !strings.Contains(drawn, models[1].Name) || strings.Contains(drawn, "NaN") {
		t.Error("no dark mode, no second panel, or NaN")
	}
	for d := xml.NewDecoder(&out); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
