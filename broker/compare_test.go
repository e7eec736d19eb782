package broker_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// judge compares brokers by dialogues.
type judge struct {
	vigil, stock *stable
}

// patienceShort is how long one waits for an answer in a dialogue that was
// shortened and may make no sense any more.
const patienceShort = 500 * time.Millisecond

// compare plays d against both brokers and says how they differ, "" if they do
// not. It also returns what the reference said.
func (j *judge) compare(d *dialogue, wait time.Duration) (difference string, reference []heard, err error) {
	var said [2][]heard
	for i, s := range []*stable{j.stock, j.vigil} {
		r := s.take(d.limits)
		said[i], err = perform(r, d, wait)
		if err == nil || errors.Is(err, errStall) {
			if late := s.giveBack(d.limits, r); late != nil {
				return "", nil, late
			}
		}
		if i == 0 && err != nil || err != nil && !errors.Is(err, errStall) {
			return "", nil, fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return firstDifference(said[0], said[1]), said[0], nil
}

// firstDifference compares what both said, turn by turn, and then what queue
// groups got in all: a client that has left an operation unfinished is listened
// to later, whatever it was chosen for.
func firstDifference(want, got []heard) string {
	var queues [2][]string
	for i, w := range want {
		if i >= len(got) {
			return fmt.Sprintf("turn %d: no more is heard", i)
		}
		for n := range w.byClient {
			if !slices.Equal(w.byClient[n], got[i].byClient[n]) {
				return fmt.Sprintf("turn %d, c%d: nats-server says %q, Vigil %q", i, n+1, w.byClient[n], got[i].raw[n])
			}
		}
		queues[0], queues[1] = append(queues[0], w.queues...), append(queues[1], got[i].queues...)
	}
	slices.Sort(queues[0])
	slices.Sort(queues[1])
	if !slices.Equal(queues[0], queues[1]) {
		return fmt.Sprintf("queue groups get %q from nats-server, %q from Vigil", queues[0], queues[1])
	}
	return ""
}

// minimise returns the shortest dialogue it finds that still fails.
func (j *judge) minimise(d *dialogue) *dialogue {
	fails := func(d *dialogue) bool {
		difference, _, err := j.compare(d, patienceShort)
		return err == nil && difference != ""
	}
	for {
		shorter := j.shorten(d, fails)
		if shorter == nil {
			return d
		}
		d = shorter
	}
}

// shorten returns a shorter dialogue that fails, nil if there is none.
func (j *judge) shorten(d *dialogue, fails func(*dialogue) bool) *dialogue {
	for size := len(d.turns) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(d.turns); at += size {
			if c := d.with(slices.Delete(slices.Clone(d.turns), at, at+size)); fails(c) {
				return c
			}
		}
	}
	for i, a := range d.turns {
		if len(a.cuts) > 0 {
			uncut := a
			uncut.cuts = nil
			if c := d.with(replaced(d.turns, i, uncut)); fails(c) {
				return c
			}
		}
		for k := range a.ops {
			if len(a.ops) == 1 {
				break
			}
			less := a
			less.ops = slices.Delete(slices.Clone(a.ops), k, k+1)
			if c := d.with(replaced(d.turns, i, less)); fails(c) {
				return c
			}
		}
	}
	return j.fewerClients(d, fails)
}

func (j *judge) fewerClients(d *dialogue, fails func(*dialogue) bool) *dialogue {
	if d.clients == 1 || slices.ContainsFunc(d.turns, func(a turn) bool { return a.client == d.clients-1 }) {
		return nil
	}
	c := d.with(d.turns)
	if c.clients--; fails(c) {
		return c
	}
	return nil
}

func (d *dialogue) with(turns []turn) *dialogue {
	return &dialogue{limits: d.limits, clients: d.clients, turns: turns}
}

func replaced(turns []turn, i int, by turn) []turn {
	turns = slices.Clone(turns)
	turns[i] = by
	return turns
}

// transcript returns the dialogue as a script of testdata, with the answers
// that the reference gave. Where it had a choice, so has the reader.
func (d *dialogue) transcript(said []heard) string {
	var out strings.Builder
	for name, value := range d.limits {
		fmt.Fprintf(&out, "config %s %d\n", name, value)
	}
	for n := range d.clients {
		fmt.Fprintf(&out, "c%d> PING\n", n+1)
		writeEvents(&out, n, said[0].raw[n])
	}
	for i, a := range d.turns {
		fmt.Fprintf(&out, "c%d>> %s\n", a.client+1, escape(a.text()))
		h := said[i+1]
		if len(h.queues) > 0 {
			out.WriteString("# Any other member of a queue group may get what one of it gets here.\n")
		}
		for k := range d.clients {
			n := (a.client + k) % d.clients
			if events := h.raw[n]; len(events) > 0 {
				if n != a.client || !a.open {
					fmt.Fprintf(&out, "c%d> PING\n", n+1)
				}
				writeEvents(&out, n, events)
			}
		}
	}
	for n, events := range said[len(said)-1].raw {
		writeEvents(&out, n, slices.DeleteFunc(slices.Clone(events), func(e string) bool { return e == eventClosed }))
	}
	return out.String()
}

func writeEvents(out *strings.Builder, client int, events []string) {
	for i, event := range events {
		if event == eventClosed {
			fmt.Fprintf(out, "c%d closed\n", client+1)
			continue
		}
		if strings.HasPrefix(event, "INFO ") {
			if strings.Contains(event, "connect_info") {
				fmt.Fprintf(out, "c%d< INFO {\"connect_info\":true}\n", client+1)
			}
			continue
		}
		verb := "<"
		if copied(events, i) {
			verb = "~"
		}
		for line := range strings.Lines(event) {
			if cut, ok := strings.CutSuffix(line, "\r\n"); ok {
				line = cut
			}
			fmt.Fprintf(out, "c%d%s %s\n", client+1, verb, escape(line))
		}
	}
}

// copied reports whether an event has a copy beside it.
func copied(events []string, i int) bool {
	m := parseMessage(events[i])
	for _, k := range []int{i - 1, i + 1} {
		if m != nil && k >= 0 && k < len(events) {
			if o := parseMessage(events[k]); o != nil && o.key == m.key {
				return true
			}
		}
	}
	return false
}

// escape writes text as scripts do.
func escape(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case b == '\r':
			out.WriteString(`\r`)
		case b == '\n':
			out.WriteString(`\n`)
		case b == '\t':
			out.WriteString(`\t`)
		case b == '\\':
			out.WriteString(`\\`)
		case b < ' ' || b > '~' || b == '{' && i+1 < len(text) && text[i+1] != '"':
			fmt.Fprintf(&out, `\x%02x`, b)
		default:
			out.WriteByte(b)
		}
	}
	return out.String()
}
