package broker_test

import (
	"flag"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"vigil/broker"
	"vigil/internal/wire"
)

var (
	firstSeed = flag.Uint64("seed", 1, "the first random dialogue's seed")
	dialogues = flag.Int("dialogues", 0, "how many random dialogues; 0 is 500, or 20,000 with -long")
)

// TestDifferential plays random dialogues against Vigil and nats-server and
// compares what every client was told. One that differs is made short and
// printed as a script: saved in testdata, it is played from then on.
func TestDifferential(t *testing.T) {
	count := uint64(500)
	switch {
	case *dialogues > 0:
		count = uint64(*dialogues)
	case *broker.Long:
		count = 20_000
	case broker.RaceEnabled: // which also plays them slowly
		count = 100
	}
	t.Run("sockets", func(t *testing.T) { playDialogues(t, startVigil, count) })
	t.Run("plain", func(t *testing.T) { playDialogues(t, plainVigil(0), count/5) })
}

func playDialogues(t *testing.T, vigil func(testing.TB, limits) *rival, count uint64) {
	j := newJudge(t, vigil)
	var next atomic.Uint64
	next.Store(*firstSeed)
	var failures atomic.Int32
	var workers sync.WaitGroup
	for range 4 { // waited for below
		workers.Go(func() {
			for failures.Load() < 5 {
				seed := next.Add(1) - 1
				if seed >= *firstSeed+count {
					return
				}
				if report := j.try(generate(seed)); report != "" {
					failures.Add(1)
					t.Errorf("seed %d: %s", seed, report)
				}
			}
		})
	}
	workers.Wait()
}

// What a client leaves unfinished is one operation, and none of it complete: it
// would take effect at a time that nothing tells.
func TestUnfinishedTurnsHoldNothingComplete(t *testing.T) {
	open := 0
	for seed := range uint64(2000) {
		for _, a := range generate(seed).turns {
			if !a.open {
				continue
			}
			open++
			var parser wire.Parser
			var op wire.Op
			if n, err := parser.Next([]byte(a.text()), &op); n > 0 || err != nil {
				t.Fatalf("seed %d: %q begins with %v of %d bytes (error %v)", seed, a.text(), op.Kind, n, err)
			}
		}
	}
	if open < 200 {
		t.Errorf("only %d turns are left unfinished", open)
	}
}

func newJudge(t *testing.T, vigil func(testing.TB, limits) *rival) *judge {
	return &judge{vigil: newStable(t, vigil), stock: newStable(t, startStock)}
}

// try returns a report if the brokers differ on d, "" if not.
func (j *judge) try(d *dialogue) string {
	difference, _, err := j.compare(d, patience)
	if err != nil {
		return err.Error()
	}
	if difference == "" {
		return ""
	}
	short, script := j.explain(d)
	return fmt.Sprintf("%s\nin short: %s\n\n%s", difference, short, script)
}

// explain minimises a dialogue on which the brokers differ. It returns the
// difference and the script.
func (j *judge) explain(d *dialogue) (difference, script string) {
	d = j.minimise(d)
	difference, said, err := j.compare(d, patience)
	if err != nil || difference == "" {
		return fmt.Sprintf("it differs not each time (%v)", err), ""
	}
	return difference, d.transcript(said)
}

// TestDifferentialFindsFaults proves that a fault of Vigil's would be found,
// made short, and printed as a script that nats-server passes.
func TestDifferentialFindsFaults(t *testing.T) {
	replace := func(from, to string) func(string) string {
		return func(text string) string { return regexp.MustCompile(from).ReplaceAllString(text, to) }
	}
	for _, fault := range []struct {
		name           string
		sent, received func(string) string
	}{
		{name: "another text", received: replace("'Invalid Subject'", "'Invalid subject'")},
		{name: "an answer that is missing", received: replace("\\+OK\r\n-ERR", "-ERR")},
		{name: "a message too many", received: replace("(MSG a 1 \\d\r\nm\\d+\r\n)", "$1$1")},
		{name: "limit off by one", sent: replace(`(UNSUB \d) 2\b`, "$1 3")},
		{name: "a wildcard unknown", sent: replace(`SUB a\.\* `, "SUB a.*x ")},
		{name: "queue group forgotten", sent: replace(`SUB (\S+) A `, "SUB $1 ")},
		{name: "echo ignored", sent: replace(`"echo":false`, `"echo":true `)},
		{name: "no second INFO", sent: replace(`"protocol":1`, `"protocol":0`)},
		{name: "nobody told that nobody responds", sent: replace(`"no_responders":true`, `"no_responders":null`)},
		{name: "a limit not kept", sent: replace("PUB a 41\r\n", "PUB a 5\r\nabcde\r\nPUB a 5\r\n")},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			j := newJudge(t, func(t testing.TB, l limits) *rival {
				r := startVigil(t, l)
				r.alterSent, r.alterReceived = fault.sent, fault.received
				return r
			})
			for seed := range uint64(500) {
				d := generate(seed)
				difference, _, err := j.compare(d, patience)
				check(t, err)
				if difference == "" {
					continue
				}
				short := j.minimise(d)
				difference, said, err := j.compare(short, patience)
				check(t, err)
				script := short.transcript(said)
				t.Logf("seed %d, %d turns, then %d: %s\n%s", seed, len(d.turns), len(short.turns), difference, script)
				if len(short.turns) > 6 {
					t.Errorf("%d turns are left", len(short.turns))
				}
				scripts, err := parseScripts("minimised", script)
				check(t, err)
				if !strings.Contains(script, "# Any other member") {
					scripts[0].play(t, j.stock.take(short.limits), byLine)
				}
				return
			}
			t.Error("not found in 500 dialogues")
		})
	}
}
