package qos

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"
)

// Result is the quality of service of a detector in a model, in the terms of
// Chen, Toueg and Aguilera.
type Result struct {
	Model    Model
	Detector Detector

	// Detection is T_D, from the peer's end to the verdict.
	Detection Spread
	// Missed is how many ends were not found within maxDetection; they count as
	// found then.
	Missed int

	// Days is how long a peer that lived was watched, and Mistakes how many
	// verdicts there were: λ_M is their quotient.
	Days     float64
	Mistakes int
	// MistakeTime is T_M, how long a mistake lasts on average: until the next
	// byte is heard, on another connection. 0 without mistakes.
	MistakeTime time.Duration
	// Accuracy is P_A, the share of the time in which there was no mistake.
	Accuracy float64
	// BytesPerSecond is what probing costs the network both ways, as Ethernet
	// frames.
	BytesPerSecond float64
}

// Spread is what is left of many measurements.
type Spread struct{ Min, Mean, P99, Max time.Duration }

// MistakesPer30Days is λ_M.
func (r Result) MistakesPer30Days() float64 { return float64(r.Mistakes) / r.Days * 30 }

// Recurrence is T_MR, the time between two mistakes on average. Without any it
// is the whole time: a lower bound.
func (r Result) Recurrence() time.Duration {
	return time.Duration(r.Days * 24 * float64(time.Hour) / float64(max(1, r.Mistakes)))
}

// Length is how much a measurement plays.
type Length struct {
	Days  float64 // in which the peer lives
	Kills int     // and how often it ends
	Seed  uint64
}

const (
	day = 24 * time.Hour
	// maxDetection is when we no longer wait for a verdict.
	maxDetection = 5 * time.Minute
)

// Measure plays a detector in a model. It depends on its arguments alone.
func Measure(m Model, d Detector, length Length) Result {
	r := Result{Model: m, Detector: d, Days: length.Days}
	r.live(newWorld(m, d, length.Seed, 0), m)
	r.kill(m, d, length)
	return r
}

// newWorld returns the world with a number among those of a seed.
func newWorld(m Model, d Detector, seed, number uint64) *world {
	h := fnv.New64a()
	h.Write([]byte(m.Name + "\x00" + d.Name))
	rng := rand.New(rand.NewPCG(seed, h.Sum64()+number))
	w := &world{rng: rng, start: epoch, watch: d.watch(m), net: m.network(rng),
		pauses: newEpisodes(rng, m.pausesEvery, m.pauseLength)}
	w.renew()
	return w
}

// live watches a peer that lives.
func (r *Result) live(w *world, m Model) {
	end := time.Duration(r.Days * float64(day))
	var wrong time.Duration
	for w.now < end {
		if !w.play(end, false) {
			break
		}
		r.Mistakes++
		began := w.now
		for mended := false; !mended && w.now < end; {
			w.renew()
			mended = !w.play(end, true)
		}
		wrong += w.now - began
	}
	if r.Mistakes > 0 {
		r.MistakeTime = wrong / time.Duration(r.Mistakes)
	}
	r.Accuracy = 1 - float64(wrong)/float64(end)
	r.BytesPerSecond = float64(w.probes*int64(m.probeBytes)+w.answers*int64(m.answerBytes)) / end.Seconds()
}

// kill ends the peer again and again, each time at any moment behind a time in
// which the detector has learnt, and never amid a mistake.
func (r *Result) kill(m Model, d Detector, length Length) {
	if length.Kills == 0 {
		return
	}
	times := make([]time.Duration, 0, length.Kills)
	var sum time.Duration
	for i := range length.Kills {
		w := newWorld(m, d, length.Seed, uint64(1+i))
		end := d.learns + time.Duration(w.rng.Float64()*float64(max(d.learns, time.Minute)))
		for w.now < end {
			if w.play(end, false) {
				w.renew()
				w.play(end+time.Hour, true)
			}
		}
		if _, paused := w.pauses.within(w.now); paused {
			w.now = w.pauses.end
		}
		died := w.now
		w.net.die(died)
		if !w.play(died+maxDetection, false) {
			r.Missed++
		}
		times = append(times, w.now-died)
		sum += w.now - died
	}
	slices.Sort(times)
	r.Detection = Spread{Min: times[0], Max: times[len(times)-1], Mean: sum / time.Duration(len(times)),
		P99: times[(len(times)*99-1)/100]}
}
