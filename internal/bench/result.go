package bench

import (
	"errors"
	"fmt"
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
	// Each is its memory for each connection or subscription, in KiB, of which
	// there were Size.
	Size, Each *Summary
	// Allocs is how often a client allocated for each of what is counted.
	Allocs *Summary
	// Worst is the least that the subscribers beside a stuck one had in a
	// second, as a share of what they usually have, and CalmWorst that before
	// it was stuck, when P99 was CalmP99. Seconds are those of the last round.
	Worst, CalmWorst, CalmP99 *Summary
	Seconds                   []Second
	// InTime is in how many rounds a client of a cluster was on another node in
	// time, nil where no node vanished.
	InTime *int
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
		{&r.Size, func(s sample) float64 { return s.size }},
		{&r.Each, func(s sample) float64 { return s.each }},
		{&r.Allocs, func(s sample) float64 { return s.allocs }},
		{&r.Worst, func(s sample) float64 { return s.worst }},
		{&r.CalmWorst, func(s sample) float64 { return s.calmWorst }},
		{&r.CalmP99, func(s sample) float64 { return s.calmP99 }},
	} {
		all := make([]float64, len(m.samples))
		for i, s := range m.samples {
			all[i] = figure.of(s)
		}
		*figure.summary = summarize(all)
	}
	if s.ofFailovers() && m.err == nil {
		r.InTime = new(0)
		for _, s := range m.samples {
			if s.inTime {
				*r.InTime++
			}
		}
	}
	if last := len(m.samples) - 1; last >= 0 {
		r.Seconds = m.samples[last].seconds
	}
	return r
}

// noisy is how far rounds may lie apart, as a share of their median, before
// they are said to.
const noisy = 0.3

// Noisy reports whether the rounds lie so far apart that the median says
// little.
func (r Result) Noisy() bool {
	for _, figure := range []*Summary{r.CPU, r.Each, r.PerSecond} {
		if figure != nil {
			return figure.noise() > noisy
		}
	}
	return false
}

// Ratio compares the contender Of with To in a scenario, by their medians: more
// than 1 is better for Of. A nil ratio cannot be told.
type Ratio struct {
	Scenario   string   `json:"scenario"`
	Of         string   `json:"ratio_of"`
	To         string   `json:"ratio_to"`
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
				Scenario: a.Scenario.Name, Of: ours, To: theirs,
				CPU: quotient(b.CPU, a.CPU), Throughput: quotient(a.PerSecond, b.PerSecond),
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
	return new(rounded(a.Median / b.Median))
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
