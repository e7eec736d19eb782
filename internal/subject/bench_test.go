package subject

import "testing"

var (
	benchPattern = []byte("orders.*.eu.>")
	benchSubject = []byte("orders.created.eu.shop.42")
)

// The benchmarks bound what a subject costs that is not found in a cache.

func BenchmarkValidPublish(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ValidPublish(benchSubject)
	}
}

func BenchmarkValidSubscribe(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ValidSubscribe(benchPattern)
	}
}

func BenchmarkMatchWildcard(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Match(benchPattern, benchSubject)
	}
}

func BenchmarkMatchLiteral(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Match(benchSubject, benchSubject)
	}
}

func BenchmarkCut(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		for rest, more := benchSubject, true; more; {
			_, rest, more = Cut(rest)
		}
	}
}
