package lab

import (
	"fmt"
	"strings"
	"time"
)

// headline is the matrix in one sentence with one number.
type headline struct {
	Number   string // "360 s"
	Sentence string // which holds the number
	Beside   string // what Vigil makes of the same, "" if it did not take part
}

// nbsp keeps a number and its unit on one line.
const nbsp = "\u00a0"

// headlineOf says how long the contender that matters most would be deaf: a
// program or settings of the reader's own, otherwise nats.go as it comes,
// otherwise who took part first. It looks at faults that nothing ends but who
// gives up the connection, and at what was measured before what was computed.
func headlineOf(cells []Cell) headline {
	all := summarise(cells)
	name := subjectOf(cells)
	worst, found := worstOf(all, name, func(summary) bool { return true })
	if !found {
		return headline{"–", "No broker vanished in this run.", ""}
	}
	h := headline{Number: worst.number()}
	h.Sentence = fmt.Sprintf("%s would be deaf for %s when %s.", name, h.Number, wayNamed(worst.Fault).when)
	same := func(s summary) bool {
		return s.Fault == worst.Fault && s.Broker == worst.Broker && s.Activity == worst.Activity
	}
	if ours, found := worstOf(all, "vigil", same); found && name != "vigil" {
		h.Beside = fmt.Sprintf("Vigil noticed it after %s.", ours.number())
	}
	return h
}

// subjectOf returns the contender that the headline is about.
func subjectOf(cells []Cell) string {
	names := contendersIn(cells)
	for _, mine := range []func(string) bool{
		func(name string) bool { return strings.HasPrefix(name, "program") },
		func(name string) bool { return strings.HasPrefix(name, "nats.go:") },
		func(name string) bool { return name == "nats.go" },
	} {
		for _, name := range names {
			if mine(name) {
				return name
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

// worstOf returns the summary in which a contender took longest to notice a
// silent fault, among those that count.
func worstOf(all []summary, name string, counts func(summary) bool) (worst summary, found bool) {
	for _, s := range all {
		w := wayNamed(s.Fault)
		if s.Contender != name || !w.dead || !w.silent || !counts(s) {
			continue
		}
		if !found || s.noticing() > worst.noticing() {
			worst, found = s, true
		}
	}
	return worst, found
}

// forEver is how long who never notices takes.
const forEver = time.Duration(1<<63 - 1)

// noticing is how long the contender took to notice at the worst, measured or
// computed.
func (s summary) noticing() time.Duration {
	switch {
	case len(s.detected) == len(s.cells):
		return s.detected[len(s.detected)-1]
	case s.ComputedMS != nil:
		return time.Duration(*s.ComputedMS) * time.Millisecond
	case s.Computed == "never":
		return forEver
	}
	return time.Duration(s.FaultMS) * time.Millisecond // at least
}

// number says noticing in words.
func (s summary) number() string {
	switch {
	case len(s.detected) == len(s.cells):
		return strings.ReplaceAll(seconds(s.noticing()), " ", nbsp)
	case s.ComputedMS != nil:
		return "up to " + strings.ReplaceAll(shortly(s.noticing()), " ", nbsp) + ", by its settings,"
	case s.Computed == "never":
		return "ever"
	}
	return "more than " + strings.ReplaceAll(shortly(s.noticing()), " ", nbsp)
}
