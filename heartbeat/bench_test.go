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

// BenchmarkStepBurst bounds a Step that asks for another probe of the burst.
func BenchmarkStepBurst(b *testing.B) {
	b.ReportAllocs()
	d := NewSchedule(Default(), epoch)
	start := d
	for b.Loop() {
		if d.Step(d.Next()) == Dead {
			d = start
		}
	}
}

// BenchmarkMethods bounds a whole round on an idle connection with each
// detector, what it learns included.
func BenchmarkMethods(b *testing.B) {
	for _, m := range []struct {
		name string
		Method
	}{
		{"Config", Config{}}, {"Objective", Objective{Within: 2 * time.Second}},
		{"ObjectiveDatagrams", Objective{Within: 2 * time.Second, Datagrams: true}}, {"Chen", Chen{}}, {"Phi", Phi{}},
	} {
		b.Run(m.name, func(b *testing.B) {
			b.ReportAllocs()
			d := m.Detector(epoch)
			for b.Loop() {
				now := d.Next()
				if d.Step(now) == Probe {
					d.Answered(now, now.Add(time.Millisecond))
				}
			}
		})
	}
}
