package bench

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// kind is what is done in a step.
type kind int

const (
	verifying kind = iota
	measuring
	profiling
)

// step is one life of a contender's process.
type step struct {
	scenario  Scenario
	contender Contender
	broker    Contender // of a client
	kind      kind
	round     int // from 0
	rounds    int
	options   Options
}

// what says it in words.
func (s step) what() string {
	switch s.kind {
	case verifying:
		return "verifying"
	case profiling:
		return "profiling"
	}
	return fmt.Sprintf("round %d of %d", s.round+1, s.rounds)
}

// plan returns the steps of a run. Every contender of a scenario is verified,
// and then they are measured by turns, so that what else the machine does hits
// all alike.
func (b Bench) plan() []step {
	var all []step
	for _, s := range b.Scenarios {
		rounds := b.rounds(s)
		if s.verify != nil {
			for _, c := range b.entrants(s) {
				all = append(all, step{scenario: s, contender: c, broker: b.Contenders[0], kind: verifying, options: s.options})
			}
		}
		for round := range rounds {
			for _, c := range b.entrants(s) {
				all = append(all, step{s, c, b.Contenders[0], measuring, round, rounds, s.options})
			}
		}
		if i := slices.IndexFunc(b.entrants(s), b.first); b.ProfileDir != "" && i >= 0 && !s.ofFailovers() {
			options := s.options
			options.CPUProfile = filepath.Join(b.ProfileDir, s.Name+".pprof")
			all = append(all, step{scenario: s, contender: b.entrants(s)[i], broker: b.Contenders[0], kind: profiling, options: options})
		}
	}
	return all
}

// rounds is how many measured rounds a scenario has.
func (b Bench) rounds(s Scenario) int {
	switch {
	case s.most == 0:
		return b.Rounds
	case b.Quick:
		return 1
	}
	return min(b.Rounds, s.most)
}

// first reports whether c is the contender that is profiled.
func (b Bench) first(c Contender) bool { return c.Name == b.Contenders[0].Name }

// entrants are the contenders that a scenario makes sense for.
func (b Bench) entrants(s Scenario) []Contender {
	return slices.DeleteFunc(slices.Clone(b.Contenders), func(c Contender) bool {
		return c.Missing != "" || !slices.Contains(s.speaks, c.Protocol) ||
			c.Roles != nil && !slices.Contains(c.Roles, s.options.Role)
	})
}

// startCost is about how long a contender takes to start and stop.
const startCost = 150 * time.Millisecond

// Length is about how long the run will take.
func (b Bench) Length() time.Duration {
	b = b.withDefaults()
	var all time.Duration
	for _, s := range b.plan() {
		all += s.length(b.timing())
	}
	return all
}

// length is about how long the step takes.
func (s step) length(t timing) time.Duration {
	d := startCost
	if s.contender.Protocol == Client {
		d += startCost // its broker's
	}
	if s.scenario.extra != nil {
		d += s.scenario.extra(t)
	}
	if s.kind != verifying {
		d += t.warm + t.window
	}
	return d
}
