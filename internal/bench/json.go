package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// jsonResult is a Result as it is written.
type jsonResult struct {
	Scenario  string   `json:"scenario"`
	Broker    string   `json:"broker"`
	Counts    string   `json:"counts"`
	PerSecond *float64 `json:"msgs_per_s"`
	CPU       *float64 `json:"cpu_us_per_msg"`
	P50       *float64 `json:"p50_us"`
	P99       *float64 `json:"p99_us"`
	Peak      *float64 `json:"rss_kib"`
	Each      *float64 `json:"kib_per_conn"`
	Size      *float64 `json:"size"`
	Rounds    int      `json:"rounds"`

	PerSecondSpan span `json:"msgs_per_s_span"`
	CPUSpan       span `json:"cpu_us_per_msg_span"`
	P99Span       span `json:"p99_us_span"`
	Noisy         bool `json:"noisy"`

	Allocs    *float64 `json:"allocs_per_msg,omitempty"`
	Worst     *float64 `json:"worst_second,omitempty"`
	CalmWorst *float64 `json:"calm_worst_second,omitempty"`
	CalmP99   *float64 `json:"calm_p99_us,omitempty"`
	Seconds   []Second `json:"seconds,omitempty"`
	InTime    *int     `json:"in_time,omitempty"`
	P50Span   span     `json:"p50_us_span,omitempty"`
	Error     string   `json:"error,omitempty"`
}

// span is the least and the most of the rounds, nil if there is none.
type span *[2]float64

func medianOf(s *Summary) *float64 {
	if s == nil {
		return nil
	}
	return new(rounded(s.Median))
}

func spanOf(s *Summary) span {
	if s == nil {
		return nil
	}
	return &[2]float64{rounded(s.Min), rounded(s.Max)}
}

// rounded leaves what can be meant of a measured figure: four digits, or all
// before the point.
func rounded(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) {
		return v
	}
	scale := math.Pow10(max(3-int(math.Floor(math.Log10(math.Abs(v)))), 0))
	return math.Round(v*scale) / scale
}

func (r Result) json() jsonResult {
	j := jsonResult{
		Scenario: r.Scenario.Name, Broker: r.Broker, Counts: r.Scenario.Counts, Rounds: r.Rounds,
		PerSecond: medianOf(r.PerSecond), CPU: medianOf(r.CPU), P50: medianOf(r.P50), P99: medianOf(r.P99),
		Peak: medianOf(r.Peak), Each: medianOf(r.Each), Size: medianOf(r.Size),
		PerSecondSpan: spanOf(r.PerSecond), CPUSpan: spanOf(r.CPU), P99Span: spanOf(r.P99), Noisy: r.Noisy(),
		Allocs: medianOf(r.Allocs),
		Worst:  medianOf(r.Worst), CalmWorst: medianOf(r.CalmWorst), CalmP99: medianOf(r.CalmP99), Seconds: r.Seconds,
		InTime: r.InTime,
	}
	if r.InTime != nil {
		j.P50Span = spanOf(r.P50)
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
