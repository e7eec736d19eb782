package bench

import (
	"math"
	"testing"
	"time"
)

func TestSummarize(t *testing.T) {
	for _, tc := range []struct {
		name    string
		figures []float64
		want    *Summary
		noise   float64
	}{
		{"none", nil, nil, 0},
		{"none that is known", []float64{none, none}, nil, 0},
		{"one", []float64{3}, &Summary{3, 3, 3}, 0},
		{"an odd number", []float64{9, 1, 5}, &Summary{5, 1, 9}, 1.6},
		{"an even number", []float64{4, 1, 2, 9}, &Summary{3, 1, 9}, 8. / 3},
		{"some unknown", []float64{none, 2, none, 4}, &Summary{3, 2, 4}, 2. / 3},
		{"zeros", []float64{0, 0}, &Summary{}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := summarize(tc.figures)
			if (got == nil) != (tc.want == nil) || got != nil && *got != *tc.want {
				t.Fatalf("got %v, want %v", got, tc.want)
			}
			if math.Abs(got.noise()-tc.noise) > 1e-9 {
				t.Errorf("noise %v, want %v", got.noise(), tc.noise)
			}
		})
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i+1) * time.Microsecond
	}
	for _, tc := range []struct {
		times []time.Duration
		share float64
		want  float64
	}{
		{hundred, 0.5, 50}, {hundred, 0.99, 99}, {hundred, 1, 100}, {hundred, 0, 1},
		{hundred[:1], 0.99, 1}, {hundred[:3], 0.5, 2},
	} {
		if got := percentile(tc.times, tc.share); got != tc.want {
			t.Errorf("%v of %d: %v, want %v", tc.share, len(tc.times), got, tc.want)
		}
	}
	if !math.IsNaN(percentile(nil, 0.5)) {
		t.Error("a percentile of nothing")
	}
}

func TestStatusField(t *testing.T) {
	text := []byte("Name:\tvigil\nVmHWM:\t   2048 kB\nVmRSS:\t   1024 kB\nThreads:\t7\n")
	if got := statusField(text, "VmRSS"); got != 1024 {
		t.Errorf("VmRSS %v", got)
	}
	if !math.IsNaN(statusField(text, "Threads")) || !math.IsNaN(statusField(text, "VmSwap")) {
		t.Error("a figure that is not there")
	}
}
