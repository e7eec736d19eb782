package heartbeat

import (
	"testing"
	"time"
)

// BenchmarkHeard bounds what every read of every connection pays.
func BenchmarkHeard(b *testing.B) {
	b.ReportAllocs()
	d := NewSchedule(Default(), epoch)
	now := epoch
	for b.Loop() {
		now = now.Add(time.Microsecond)
		d.Heard(now)
	}
}

// BenchmarkStepEarly bounds a sweep over connections that are all alive.
func BenchmarkStepEarly(b *testing.B) {
	b.ReportAllocs()
	d := NewSchedule(Default(), epoch)
	now := epoch.Add(time.Millisecond)
	for b.Loop() {
		d.Step(now)
	}
}

// BenchmarkProbeAndAnswer bounds a whole round on an idle connection: Next, the
// Step that asks for a probe, and the answer.
func BenchmarkProbeAndAnswer(b *testing.B) {
	b.ReportAllocs()
	d := NewSchedule(Default(), epoch)
	for b.Loop() {
		now := d.Next()
		d.Step(now)
		d.Heard(now.Add(time.Millisecond))
	}
}
