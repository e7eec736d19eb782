package brokertest_test

import (
	"testing"

	"vigil/broker/brokertest"
)

// What a test pays for a broker of its own. The benchmark's cleanups would run at its end,
// so that a recorder stands in.
func BenchmarkStartStop(b *testing.B) {
	for b.Loop() {
		r := &recorder{TB: b}
		brokertest.Start(r)
		for _, f := range r.cleanups {
			f()
		}
	}
}

// TestStartStopIsQuick: with room for a busy machine.
func TestStartStopIsQuick(t *testing.T) {
	result := testing.Benchmark(BenchmarkStartStop)
	if per := result.NsPerOp(); per > 5e6 {
		t.Errorf("Start and Stop take %d ns, want less than 5 ms", per)
	}
}
