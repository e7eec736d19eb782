package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Result is what a contender came to in a scenario. A nil figure does not apply
// or is not known on this system.
type Result struct {
	Scenario Scenario
	Broker   string
	Rounds   int
	// PerSecond is how much of what the scenario counts was done a second.
	PerSecond *Summary
	// CPU is the contender's own time for each of them, in microseconds.
	CPU *Summary
	// P50 and P99 are percentiles of the latency, in microseconds.
	P50, P99 *Summary
	// Peak is the most memory that the contender's process had, in KiB.
	Peak *Summary
	// Each is its memory for each connection or subscription, in KiB.
	Each *Summary
	// Err is why the contender is out of the scenario, nil if it is not.
	Err error
}

func newResult(s Scenario, broker string, m *mark) Result {
	r := Result{Scenario: s, Broker: broker, Rounds: len(m.samples), Err: m.err}
	for _, figure := range []struct {
		summary **Summary
		of      func(sample) float64
	}{
		{&r.PerSecond, func(s sample) float64 { return s.perSecond }},
		{&r.CPU, func(s sample) float64 { return s.cpu }},
		{&r.P50, func(s sample) float64 { return s.p50 }},
		{&r.P99, func(s sample) float64 { return s.p99 }},
		{&r.Peak, func(s sample) float64 { return s.peak }},
		{&r.Each, func(s sample) float64 { return s.each }},
	} {
		all := make([]float64, len(m.samples))
		for i, s := range m.samples {
			all[i] = figure.of(s)
		}
		*figure.summary = summarize(all)
	}
	return r
}

// noisy is how far rounds may lie apart, as a share of their median, before
// they are said to.
const noisy = 0.3

// Noisy reports whether the rounds lie so far apart that the median says
// little.
func (r Result) Noisy() bool {
	figure := r.CPU
	if figure == nil {
		figure = r.PerSecond
	}
	return figure.noise() > noisy
}

// Ratio compares two contenders in a scenario, by their medians: more than 1 is
// better for the first. A nil ratio cannot be told.
type Ratio struct {
	Scenario   string   `json:"scenario"`
	CPU        *float64 `json:"ratio_cpu"`
	Throughput *float64 `json:"ratio_throughput"`
	P50        *float64 `json:"ratio_p50"`
	P99        *float64 `json:"ratio_p99"`
	Memory     *float64 `json:"ratio_memory"`
}

// Ratios compares ours with theirs in every scenario that both finished.
func Ratios(results []Result, ours, theirs string) []Ratio {
	var all []Ratio
	for _, a := range results {
		for _, b := range results {
			if a.Broker != ours || b.Broker != theirs || a.Scenario.Name != b.Scenario.Name || a.Err != nil || b.Err != nil {
				continue
			}
			all = append(all, Ratio{
				Scenario: a.Scenario.Name,
				CPU:      quotient(b.CPU, a.CPU), Throughput: quotient(a.PerSecond, b.PerSecond),
				P50: quotient(b.P50, a.P50), P99: quotient(b.P99, a.P99), Memory: quotient(b.Each, a.Each),
			})
		}
	}
	return all
}

// quotient is that of the medians.
func quotient(a, b *Summary) *float64 {
	if a == nil || b == nil || b.Median == 0 {
		return nil
	}
	return new(a.Median / b.Median)
}

// Failure returns the errors of all contenders that are out of a scenario.
func Failure(results []Result) error {
	var all []error
	for _, r := range results {
		if r.Err != nil {
			all = append(all, r.Err)
		}
	}
	if len(all) > 0 {
		return fmt.Errorf("bench: %w", errors.Join(all...))
	}
	return nil
}

// jsonResult is a Result as it is written.
type jsonResult struct {
	Scenario   string   `json:"scenario"`
	Broker     string   `json:"broker"`
	PerSecond  *float64 `json:"msgs_per_s"`
	CPU        *float64 `json:"cpu_us_per_msg"`
	P50        *float64 `json:"p50_us"`
	P99        *float64 `json:"p99_us"`
	Peak       *float64 `json:"rss_kib"`
	Each       *float64 `json:"kib_per_conn"`
	Rounds     int      `json:"rounds"`
	PerSecondS span     `json:"msgs_per_s_span"`
	CPUS       span     `json:"cpu_us_per_msg_span"`
	P99S       span     `json:"p99_us_span"`
	Noisy      bool     `json:"noisy"`
	Error      string   `json:"error,omitempty"`
}

// span is the least and the most of the rounds, null if there is none.
type span *[2]float64

func medianOf(s *Summary) *float64 {
	if s == nil {
		return nil
	}
	return &s.Median
}

func spanOf(s *Summary) span {
	if s == nil {
		return nil
	}
	return &[2]float64{s.Min, s.Max}
}

func (r Result) json() jsonResult {
	j := jsonResult{
		Scenario: r.Scenario.Name, Broker: r.Broker, Rounds: r.Rounds,
		PerSecond: medianOf(r.PerSecond), CPU: medianOf(r.CPU), P50: medianOf(r.P50), P99: medianOf(r.P99),
		Peak: medianOf(r.Peak), Each: medianOf(r.Each),
		PerSecondS: spanOf(r.PerSecond), CPUS: spanOf(r.CPU), P99S: spanOf(r.P99),
		Noisy: r.Noisy(),
	}
	if r.Err != nil {
		j.Error = r.Err.Error()
	}
	return j
}

// WriteJSON writes an object a line: one for each result, then one for each
// ratio.
func WriteJSON(w io.Writer, results []Result, ratios []Ratio) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, r := range results {
		if err := enc.Encode(r.json()); err != nil {
			return fmt.Errorf("bench: write results: %w", err)
		}
	}
	for _, r := range ratios {
		if err := enc.Encode(r); err != nil {
			return fmt.Errorf("bench: write ratios: %w", err)
		}
	}
	return nil
}
