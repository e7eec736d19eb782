package qos

import (
	"fmt"
	"slices"
	"time"

	"vigil/heartbeat"
)

// Family is a detector at an equal rate of heartbeats, one probe a second on a
// network where all goes well, and with more and more patience.
type Family struct {
	Name    string
	Members []Detector
}

// rate is the time between two probes.
const rate = time.Second

// Families returns the families that are compared; the default is the first.
func Families() []Family {
	patience := []time.Duration{150 * ms, 300 * ms, 450 * ms, 600 * ms, 900 * ms, 1200 * ms, 1500 * ms,
		2 * rate, 5 * rate / 2, 3 * rate, 4 * rate, 6 * rate, 8 * rate}
	families := []Family{{Name: "default"}, {Name: "no burst"}, {Name: "fixed timeout"}, {Name: "nats.go"}, {Name: "chen"}, {Name: "phi"}}
	add := func(name string, d Detector) {
		i := slices.IndexFunc(families, func(f Family) bool { return f.Name == name })
		d.Name = fmt.Sprintf("%s %d", name, len(families[i].Members))
		families[i].Members = append(families[i].Members, d)
	}
	for _, p := range patience {
		interval := p / 3
		plain := heartbeat.Config{Idle: rate, Interval: interval, Probes: 3}
		burst := plain
		burst.Burst = heartbeat.Within(interval*20/3 + 20).Burst // of which interval is the Interval
		add("default", schedule("", "", burst))
		add("no burst", schedule("", "", plain))
		add("fixed timeout", Detector{watch: same(func(now time.Time) Watcher { return newTimeout(now, rate, rate+p) })})
		add("chen", method("", "", heartbeat.Chen{Interval: rate, Margin: p}, time.Minute))
	}
	for most := range 8 {
		add("nats.go", Detector{watch: same(func(now time.Time) Watcher { return newCounter(now, rate, most) })})
	}
	for _, threshold := range []float64{1, 3, 8, 16} {
		add("phi", method("", "", heartbeat.Phi{Threshold: threshold, Interval: rate, Pause: -1}, 4*time.Minute))
	}
	for _, pause := range []time.Duration{300 * ms, 900 * ms, 1500 * ms, 2 * rate, 3 * rate} {
		add("phi", method("", "", heartbeat.Phi{Interval: rate, Pause: pause}, 4*time.Minute))
	}
	return families
}

// Frontier is how a family trades detection time against mistakes in a model.
type Frontier struct {
	Model  Model
	Family string
	Points []Result // by detection time
}

// FrontierCells returns what is to be measured for the frontiers of all families
// in the models.
func FrontierCells(models []Model) []Cell {
	var cells []Cell
	for _, m := range models {
		for _, f := range Families() {
			cells = append(cells, Cells([]Model{m}, f.Members)...)
		}
	}
	return cells
}

// Frontiers sorts the results of FrontierCells.
func Frontiers(models []Model, results []Result) []Frontier {
	var all []Frontier
	for _, m := range models {
		for _, f := range Families() {
			points := slices.Clone(results[:len(f.Members)])
			results = results[len(f.Members):]
			slices.SortStableFunc(points, func(a, b Result) int { return int(a.Detection.P99 - b.Detection.P99) })
			all = append(all, Frontier{Model: m, Family: f.Name, Points: points})
		}
	}
	return all
}
