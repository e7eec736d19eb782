package qos

import (
	"flag"
	"math"
	"slices"
	"testing"
	"time"
)

var long = flag.Bool("long", false, "compare all models, and for longer")

// above returns the points of other that lie above the frontier of ours: found
// as soon, or hardly sooner, and with fewer mistakes than chance explains.
func above(ours, other Frontier) (points []Result) {
	for _, p := range other.Points {
		fewest := math.MaxInt
		for _, o := range ours.Points {
			if float64(o.Detection.P99) <= 1.05*float64(p.Detection.P99) {
				fewest = min(fewest, o.Mistakes)
			}
		}
		if fewest == math.MaxInt {
			continue // sooner than any of ours
		}
		if slack := 3*math.Sqrt(float64(fewest+p.Mistakes)) + 0.02*float64(p.Mistakes); float64(fewest) > float64(p.Mistakes)+slack {
			points = append(points, p)
		}
	}
	return points
}

// The default lies on or above every other detector's frontier in every model,
// but for patience of less than a round trip: a detector that knows the round
// trip, and one that counts from when it should have been asked, are then ahead.
func TestDefaultIsOnTheFrontier(t *testing.T) {
	playsForLong(t)
	models, length := Panels(), Length{Days: 0.3, Kills: 50, Seed: 1}
	if *long {
		models, length = Models(), Length{Days: 3, Kills: 1000, Seed: 1}
	}
	results, err := Run(t.Context(), FrontierCells(models), length, func(int, Cell) {})
	if err != nil {
		t.Fatal(err)
	}
	var ours Frontier
	for _, f := range Frontiers(models, results) {
		if f.Family == Families()[0].Name {
			ours = f
			continue
		}
		for _, p := range above(ours, f) {
			if f.Model.Name == "jitter" && p.Detection.P99 < rate+250*ms {
				continue // the patience is 150 ms, the round trip up to 250 ms
			}
			t.Errorf("%s: %s, which finds a death within %v with %d mistakes, lies above the default's frontier",
				f.Model.Name, p.Detector.Name, p.Detection.P99.Round(ms), p.Mistakes)
		}
	}
}

// All families probe at the same rate where all goes well.
func TestEqualHeartbeatRate(t *testing.T) {
	m, _ := FindModel("stream-0%")
	for _, f := range Families() {
		for _, d := range f.Members {
			if len(f.Members) < 5 {
				t.Errorf("%s has %d members", f.Name, len(f.Members))
			}
			if f.Name == "nats.go" && d.Name == "nats.go 0" {
				continue // dies before any probe
			}
			r := Measure(m, d, Length{Days: 0.05, Kills: 1, Seed: 1})
			if want := float64(streamProbe + streamAnswer); math.Abs(r.BytesPerSecond-want) > 0.04*want {
				t.Errorf("%s: %v bytes a second, want %v", d.Name, r.BytesPerSecond, want)
			}
		}
	}
}

func TestFrontiersAreSorted(t *testing.T) {
	models := Panels()[:1]
	results, err := Run(t.Context(), FrontierCells(models), Length{Days: 0.01, Kills: 20, Seed: 1}, func(int, Cell) {})
	if err != nil {
		t.Fatal(err)
	}
	all := Frontiers(models, results)
	if len(all) != len(Families()) {
		t.Fatalf("%d frontiers of %d families", len(all), len(Families()))
	}
	for i, f := range all {
		if f.Family != Families()[i].Name || len(f.Points) != len(Families()[i].Members) {
			t.Errorf("frontier %d is %s with %d points", i, f.Family, len(f.Points))
		}
		if !slices.IsSortedFunc(f.Points, func(a, b Result) int { return int(a.Detection.P99 - b.Detection.P99) }) {
			t.Errorf("%s is not sorted by detection time", f.Family)
		}
	}
}

// The counter is nats.go's: verdicts come from most to most + 1 intervals behind
// the last answer, and late ticks are single ones.
func TestCounter(t *testing.T) {
	c := newCounter(epoch, time.Second, 2)
	now := epoch
	var got []string
	for range 5 {
		now = now.Add(time.Second)
		got = append(got, c.Step(now).String())
		if len(got) == 2 {
			c.Answered(now, now.Add(10*ms))
		}
	}
	if want := []string{"probe", "probe", "probe", "probe", "dead"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	c = newCounter(epoch, time.Second, 2)
	if c.Step(epoch.Add(time.Hour)).String() != "probe" || c.Next() != epoch.Add(time.Hour+time.Second) {
		t.Error("a late tick is not one tick")
	}
}
