package qos

import (
	"math"
	"math/rand/v2"
	"time"
)

// delay draws how long a message takes.
type delay func(r *rand.Rand) time.Duration

func constant(d time.Duration) delay {
	return func(*rand.Rand) time.Duration { return d }
}

// uniform draws from least to most, all alike.
func uniform(least, most time.Duration) delay {
	return func(r *rand.Rand) time.Duration { return least + time.Duration(r.Float64()*float64(most-least)) }
}

func exponential(mean time.Duration) delay {
	return func(r *rand.Rand) time.Duration { return time.Duration(r.ExpFloat64() * float64(mean)) }
}

// logNormal draws what is normal with deviation sigma on a logarithmic scale.
func logNormal(median time.Duration, sigma float64) delay {
	return func(r *rand.Rand) time.Duration {
		return time.Duration(float64(median) * math.Exp(sigma*r.NormFloat64()))
	}
}

// pareto draws at least least, and more than x with probability
// (least/x)^alpha: a tail heavier than any exponential one. What would take more
// than an hour takes an hour.
func pareto(least time.Duration, alpha float64) delay {
	return func(r *rand.Rand) time.Duration {
		return time.Duration(min(float64(least)*math.Exp(r.ExpFloat64()/alpha), float64(time.Hour)))
	}
}
