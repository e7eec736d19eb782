package bench

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"
)

var update = flag.Bool("update", false, "write the golden files anew")

// example is a run's results with all that a report can show.
func example() (Bench, []Result) {
	b := Bench{Contenders: []Contender{
		{Name: "vigil"}, {Name: "nats-server"}, {Name: "redis", Missing: "redis-server is not installed"}, {Name: "relay", Protocol: Bytes},
		{Name: "vigil", Protocol: Client}, {Name: "nats.go", Protocol: Client},
	}}
	flow := Scenario{Name: "1-to-1-128B", Counts: "deliveries"}
	client, publish := Scenario{Name: "client-receive", Counts: "messages"}, Scenario{Name: "client-publish", Counts: "messages"}
	library := func(perSecond, cpu, allocs float64) *mark {
		s := noSample()
		s.perSecond, s.cpu, s.allocs = perSecond, cpu, allocs
		return &mark{samples: []sample{s}}
	}
	latency := Scenario{Name: "request-reply", Counts: "requests"}
	at := func(perSecond, cpu, p50, p99, peak, each float64) sample {
		s := noSample()
		s.perSecond, s.cpu, s.p50, s.p99, s.peak, s.each = perSecond, cpu, p50, p99, peak, each
		return s
	}
	return b, []Result{
		newResult(flow, "vigil", &mark{samples: []sample{
			at(5e6, 0.15, none, none, 32<<10, none), at(6e6, 0.14, none, none, 33<<10, none), at(5.5e6, 0.16, none, none, 32<<10, none)}}),
		newResult(flow, "nats-server", &mark{samples: []sample{at(1.4e6, 0.82, none, none, 36<<10, none), at(1.2e6, 1.42, none, none, 36<<10, none)}}),
		newResult(flow, "relay", &mark{samples: []sample{at(1.23e7, 0.0589, none, none, 31<<10, none)}}),
		newResult(latency, "vigil", &mark{samples: []sample{at(15_000, 9.12, 51, 120.4, 30<<10, 3.5)}}),
		newResult(latency, "nats-server", &mark{samples: []sample{at(987, none, 110, 1234, none, 43.5)}}),
		newResult(latency, "redis", &mark{err: errors.New("request-reply on redis, round 1 of 5: stalled")}),
		newResult(client, "vigil", library(3.1e6, 0.2, 0.052)),
		newResult(client, "nats.go", library(1.9e6, 0.41, 3)),
		newResult(publish, "vigil", library(5e6, 0.08, 0)),
		newResult(publish, "vigil resend", library(4e6, 0.1, 0)),
		newResult(publish, "nats.go", library(5e6, 0.09, 0)),
	}
}

func TestReport(t *testing.T) {
	text.DisableColors()
	b, results := example()
	ratios := slices.Concat(Ratios(results, "vigil", "nats-server"), Ratios(results, "vigil", "nats.go"),
		Ratios(results, "vigil resend", "nats.go"), Ratios(results, "vigil resend", "vigil"))
	var table, json bytes.Buffer
	WriteTable(&table, results, ratios)
	WriteNotes(&table, b, results, ratios)
	golden(t, "testdata/report.txt", table.Bytes())
	if err := WriteJSON(&json, results, ratios); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/report.json", json.Bytes())
	if err := Failure(results); err == nil || err.Error() != "bench: request-reply on redis, round 1 of 5: stalled" {
		t.Errorf("failure %v", err)
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (-update writes it anew); got:\n%s", file, got)
	}
}

func TestChart(t *testing.T) {
	b, results := example()
	results[0].Broker = `<vigil & "co">`
	b.Contenders[0].Name = results[0].Broker
	var chart bytes.Buffer
	if err := WriteSVG(&chart, b, results, Ratios(results, b.Contenders[0].Name, "nats-server")); err != nil {
		t.Fatal(err)
	}
	bars := 0
	for decoder := xml.NewDecoder(bytes.NewReader(chart.Bytes())); ; {
		token, err := decoder.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, chart.Bytes())
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	// Those with a processor time or memory, and the background.
	if bars != 3+2+2+3+1 {
		t.Errorf("%d rectangles", bars)
	}
}
