package heartbeat

import (
	"encoding/binary"
	"testing"
	"time"
)

// FuzzMethods makes any Method of any numbers. Whatever it does not refuse makes
// a Detector that keeps the contract through any sequence of calls.
func FuzzMethods(f *testing.F) {
	f.Add(uint8(0), int64(2e9), int64(0), int64(0), 3, 0.0, []byte("\x00\x10\x00\x01\x00\x00\x02\x00\x10\x05\x00\x00"))
	f.Add(uint8(1), int64(9e8), int64(9e8), int64(0), 32, 0.0, []byte("\x05\x00\x00\x05\x00\x00\x01\x00\x10\x05\x00\x00\x05\xff\x00"))
	f.Add(uint8(2), int64(1e9), int64(3e9), int64(1e8), 100, 8.0, []byte("\x05\x00\x00\x01\x00\x10\x05\x00\x00\x04\x00\x10\x05\xff\xff"))
	f.Add(uint8(3), int64(2e9), int64(0), int64(0), 1, 0.0, []byte("\x05\x00\x00\x01\x00\x10\x05\x00\x00\x03\x00\x10\x05\xff\xff"))
	f.Fuzz(func(t *testing.T, kind uint8, a, b, c int64, n int, x float64, ops []byte) {
		var m Method
		switch kind % 4 {
		case 0:
			m = Config{time.Duration(a), time.Duration(b), n, time.Duration(c)}
		case 1:
			m = Chen{time.Duration(a), time.Duration(b), n}
		case 2:
			m = Phi{x, time.Duration(a), time.Duration(c), time.Duration(b), n}
		case 3:
			m = Objective{time.Duration(a), time.Duration(b), n%2 == 0}
		}
		if m.Validate() != nil {
			return
		}
		if m.Bound() <= 0 {
			t.Fatalf("%+v: Bound %v", m, m.Bound())
		}
		d, now := m.Detector(epoch), epoch
		for ; len(ops) >= 3; ops = ops[3:] {
			span := time.Duration(binary.BigEndian.Uint16(ops[1:])) * (m.Bound()/10_000 + 1)
			anyCall(t, d, ops[0], &now, span)
		}
	})
}

// anyCall makes a call and checks what must hold behind any.
func anyCall(t *testing.T, d Detector, op byte, now *time.Time, span time.Duration) {
	dead := d.State() == StateDead
	switch *now = now.Add(span); op % 7 {
	case 0:
		d.Heard(*now)
	case 1:
		d.Answered(now.Add(-span), *now)
	case 2:
		d.Hint(*now)
	case 3:
		d.Resumed(*now)
	case 4:
		*now = now.Add(-2 * span)
		d.Heard(*now)
	default:
		if next := d.Next(); op%7 == 5 && next.After(*now) {
			*now = next.Add(span)
		}
		if a := d.Step(*now); (a == Dead) != (d.State() == StateDead) || a != Dead && !d.Next().After(*now) {
			t.Fatalf("%v, %v, Next %v behind", a, d.State(), d.Next().Sub(*now))
		}
	}
	if dead && d.State() != StateDead {
		t.Fatal("dead no more")
	}
	e := d.Evidence(*now)
	if e.Silence < 0 || e.Probes < 0 || e.Pauses < 0 || (e.Probes > 0) == e.FirstProbe.IsZero() || e.LastProbe.Before(e.FirstProbe) {
		t.Fatalf("evidence %+v", e)
	}
	if p := d.Promise(); p.Bound <= 0 || p.Recurrence < 0 {
		t.Fatalf("promise %+v", p)
	}
}

// FuzzDetector runs a Schedule through any sequence of calls, with times that
// jump forwards and backwards, and checks what must hold after each.
func FuzzDetector(f *testing.F) {
	f.Add([]byte("\x00\x03\x03"), []byte("\x00\x00\x00\x00\x00\xff\x02\x01\x00\x01\x00\x00\x01\x00\x00\x01\x00\x00\x01\x00\x00"))
	f.Add([]byte("\x20\x20\x92"), []byte("\x01\x00\x00\x01\x00\x00\x04\x00\x10\x01\x00\x00\x05\x00\x01\x01\x00\x00\x01\x00\x00\x02\x00\x00"))
	f.Add([]byte("\x09\x03\x03"), []byte("\x01\x00\x00\x01\x00\x01\x00\xff\xff\x01\x00\x00\x03\x00\x01\x01\x00\x00\x01\x00\x00\x02\x00\x00"))
	f.Fuzz(func(t *testing.T, conf, ops []byte) {
		if len(conf) < 3 {
			return
		}
		cfg := Config{
			Idle:     minSpan + time.Duration(conf[0])*time.Millisecond,
			Interval: minSpan + time.Duration(conf[1])*time.Millisecond,
			Probes:   1 + int(conf[2]%8),
		}
		if conf[2] >= 128 {
			cfg.Burst = max(minSpan, cfg.Interval/time.Duration(1+conf[2]/8%16))
		}
		run := fuzzRun{t: t, cfg: cfg, d: NewSchedule(cfg, epoch), now: epoch, heard: epoch}
		for ; len(ops) >= 3; ops = ops[3:] {
			span := time.Duration(binary.BigEndian.Uint16(ops[1:])) * 100 * time.Microsecond
			switch ops[0] % 6 {
			case 0: // Step after a while
				run.now = run.now.Add(span)
				run.step()
			case 1: // Step at Next, or late
				run.now = run.d.Next().Add(span)
				run.step()
			case 2: // a byte
				run.now = run.now.Add(span)
				run.hear()
			case 3: // the time goes back
				run.now = run.now.Add(-span)
				run.hear()
			case 4: // something speaks against the peer
				run.now = run.now.Add(span)
				run.d.Hint(run.now)
				run.hinted = true
			case 5: // the machine slept
				run.now = run.now.Add(span)
				run.resume()
			}
			run.check()
		}
	})
}

// fuzzRun is a Detector and a naive record of what happened to it.
type fuzzRun struct {
	t      *testing.T
	cfg    Config
	d      Schedule
	now    time.Time
	heard  time.Time   // the latest byte, while not dead
	probes []time.Time // asked for since then
	dead   bool

	hinted, slept bool // since then
	resumed       bool // and not yet asked
}

func (r *fuzzRun) hear() {
	r.d.Heard(r.now)
	if !r.dead && r.now.After(r.heard) {
		r.heard, r.probes = r.now, nil
		r.hinted, r.slept, r.resumed = false, false, false
	}
}

func (r *fuzzRun) resume() {
	before := r.d
	r.d.Resumed(r.now)
	if r.dead || r.now.Before(r.heard) {
		if r.d != before {
			r.t.Fatal("Resumed changed what is dead, or ran backwards")
		}
		return
	}
	r.slept, r.resumed = true, true
	if r.d.Next().After(r.now) {
		r.t.Fatalf("no probe is due after Resumed at %v: Next is %v", r.now, r.d.Next())
	}
}

func (r *fuzzRun) step() {
	before, evidence := r.d, r.d.Evidence(r.now)
	next := r.d.Next()
	action := r.d.Step(r.now)
	late := r.now.Sub(next)
	switch {
	case r.dead:
		if action != Dead || r.d != before {
			r.t.Fatalf("%v after Dead, or changed", action)
		}
		return
	case late < 0 && action != None:
		r.t.Fatalf("%v although early by %v", action, -late)
	case late >= 0 && action == None:
		r.t.Fatalf("nothing to do although late by %v", late)
	case late > r.cfg.Interval/2 && action != Probe:
		r.t.Fatalf("%v after a pause", action)
	}
	switch action {
	case Probe:
		if n := len(r.probes); n > 0 && r.cfg.Burst == 0 && r.now.Sub(r.probes[n-1]) < r.cfg.Interval/2 && !r.resumed && !r.hinted {
			r.t.Fatalf("two probes within %v", r.now.Sub(r.probes[n-1]))
		}
		r.probes = append(r.probes, r.now)
		r.resumed = false
	case Dead:
		r.dead = true
		r.checkVerdict(evidence)
	}
	if action != Dead && !r.d.Next().After(r.now) {
		r.t.Fatalf("Next %v is not after the Step at %v: the caller would spin", r.d.Next(), r.now)
	}
}

// checkVerdict: never without Probes probes, of which the first had Probes ×
// Interval, less its own lateness, to be answered. That is never before the
// Bound.
func (r *fuzzRun) checkVerdict(before Evidence) {
	if silence := r.now.Sub(r.heard); silence < r.cfg.Bound() && !r.slept {
		r.t.Fatalf("dead after %v, before the Bound %v", silence, r.cfg.Bound())
	}
	if before.Probes < r.cfg.Probes {
		r.t.Fatalf("dead after %d probes of %d", before.Probes, r.cfg.Probes)
	}
	if had, want := r.now.Sub(before.FirstProbe), time.Duration(r.cfg.Probes)*r.cfg.Interval-r.cfg.Interval/2; had < want {
		r.t.Fatalf("dead %v after the first probe of the round, want at least %v", had, want)
	}
}

func (r *fuzzRun) check() {
	e := r.d.Evidence(r.now)
	if !e.LastHeard.Equal(r.heard) {
		r.t.Fatalf("LastHeard %v, want %v", e.LastHeard, r.heard)
	}
	if next := r.d.Next(); next.Before(r.heard) || next.Equal(r.heard) && !r.hinted && !r.slept {
		r.t.Fatalf("Next %v is not after the last byte at %v", r.d.Next(), r.heard)
	}
	most := r.cfg.Probes
	if r.cfg.Burst > 0 {
		most = maxProbes + 1
	}
	if r.hinted { // one, or a burst, before the schedule's first
		most += max(1, most-r.cfg.Probes)
	}
	if e.Probes > most || e.Probes > len(r.probes) || e.Silence < 0 {
		r.t.Fatalf("evidence %+v, but asked for %d probes", e, len(r.probes))
	}
	if e.Probes > 0 && !e.LastProbe.Equal(r.probes[len(r.probes)-1]) {
		r.t.Fatalf("LastProbe %v, want %v", e.LastProbe, r.probes[len(r.probes)-1])
	}
	if !r.slept && (e.Pauses > 0) != (e.Late > r.cfg.Interval/2) {
		r.t.Fatalf("pauses and lateness disagree: %+v", e)
	}
	if (r.d.State() == StateDead) != r.dead {
		r.t.Fatalf("state %v, dead %v", r.d.State(), r.dead)
	}
	if r.d.State() == StateSuspect && len(r.probes) == 0 {
		r.t.Fatal("suspected without having been asked")
	}
}
