package broker

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"vigil/internal/wire"
)

// pickyStream takes a random part of what it is given, and wants to be asked
// again.
type pickyStream struct {
	discardStream
	random *rand.Rand
	got    []byte
	asked  bool
}

func (s *pickyStream) tryWrite(p []byte) (int, error) {
	n := len(p)
	if s.random.IntN(3) == 0 {
		n = s.random.IntN(len(p) + 1)
	}
	s.got = append(s.got, p[:n]...)
	return n, nil
}

func (s *pickyStream) callWritable(bool) { s.asked = true }

// modelSubscription is what a subscription is to the model.
type modelSubscription struct {
	client           int
	subject, sid     string
	delivered, limit int64
}

// fanOutModel says what every subscriber must get of one publisher: a list.
type fanOutModel struct {
	subs []*modelSubscription
	want [][]string // by client, a message each
}

func (m *fanOutModel) publish(subject, payload string) {
	for _, s := range slices.Clone(m.subs) {
		if s.subject != subject {
			continue
		}
		m.want[s.client] = append(m.want[s.client], s.sid+" "+payload)
		if s.delivered++; s.delivered == s.limit {
			m.end(s)
		}
	}
}

func (m *fanOutModel) end(s *modelSubscription) {
	m.subs = slices.DeleteFunc(m.subs, func(o *modelSubscription) bool { return o == s })
}

// TestFanOutAgainstModel has one publisher publish runs to few subjects, whose
// subscribers come, go and read as they like: each gets what it is due, in order,
// whether it was staged once for all or not.
func TestFanOutAgainstModel(t *testing.T) {
	shared := 0
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		b := benchBroker()
		subscribers := make([]*client, 2+r.IntN(5))
		model := &fanOutModel{want: make([][]string, len(subscribers))}
		for i := range subscribers {
			c := discardClient(t, b, uint64(i+2), quietConnect)
			c.stream = &pickyStream{random: r}
			c.out.stream, c.out.calls = c.stream, true
			subscribers[i] = c
		}
		publisher := discardClient(t, b, 1, quietConnect)
		for step := range 300 {
			switch r.IntN(6) {
			case 0:
				changeSubscriptions(t, r, model, subscribers)
			case 1:
				letWrite(subscribers[r.IntN(len(subscribers))])
			default:
				publishRuns(t, r, model, publisher, step)
			}
			for _, route := range publisher.publish.cache {
				if route.fan != nil {
					shared++
				}
			}
		}
		for i, c := range subscribers {
			for c.stream.(*pickyStream).asked {
				letWrite(c)
			}
			got := messagesIn(t, c.stream.(*pickyStream).got)
			if want := inOrder(model.want[i]); !slices.Equal(got, want) {
				t.Fatalf("seed %d: subscriber %d of %d got %d messages, want %d:\n%.300q\n%.300q",
					seed, i, len(subscribers), len(got), len(want), got, want)
			}
			if n := c.stats.outMsgs.Load(); n != int64(len(got)) {
				t.Errorf("seed %d: %d messages are counted, %d were delivered", seed, n, len(got))
			}
		}
	}
	if shared < 1000 {
		t.Errorf("only %d times was there a route to share: the test proves too little", shared)
	}
}

// changeSubscriptions has somebody subscribe, or unsubscribe at once or later.
func changeSubscriptions(t *testing.T, r *rand.Rand, model *fanOutModel, subscribers []*client) {
	i := r.IntN(len(subscribers))
	if r.IntN(2) == 0 || len(model.subs) == 0 {
		s := &modelSubscription{client: i, subject: []string{"a", "b", "c"}[r.IntN(3)], sid: []string{"1", "2", "33"}[r.IntN(3)]}
		if slices.ContainsFunc(model.subs, func(o *modelSubscription) bool { return o.client == i && o.sid == s.sid }) {
			return // in use
		}
		model.subs = append(model.subs, s)
		subscribers[i].feed(t, fmt.Sprintf("SUB %s %s\r\n", s.subject, s.sid))
		return
	}
	s := model.subs[r.IntN(len(model.subs))]
	limit := int64(r.IntN(3)) * (s.delivered + int64(r.IntN(20)))
	subscribers[s.client].feed(t, fmt.Sprintf("UNSUB %s %d\r\n", s.sid, limit))
	if s.limit = limit; limit <= s.delivered {
		model.end(s)
	}
}

// publishRuns publishes a batch of one or several runs.
func publishRuns(t *testing.T, r *rand.Rand, model *fanOutModel, publisher *client, step int) {
	var batch strings.Builder
	for run := range 1 + r.IntN(3) {
		subject := []string{"a", "b", "c"}[r.IntN(3)]
		for i := range 1 + r.IntN(8) {
			payload := fmt.Sprintf("%d.%d.%d", step, run, i)
			if r.IntN(40) == 0 {
				payload += strings.Repeat("x", r.IntN(stageFull/2))
			}
			if batch.Len()+len(payload) > maxRead-1000 {
				break
			}
			fmt.Fprintf(&batch, "PUB %s %d\r\n%s\r\n", subject, len(payload), payload)
			model.publish(subject, payload)
		}
	}
	publisher.feed(t, batch.String())
}

// letWrite is what the poller does when a socket can be written to.
func letWrite(c *client) {
	if s := c.stream.(*pickyStream); s.asked {
		s.asked = false
		c.out.writable()
	}
}

// messagesIn returns sid and payload of every message, those that stand together
// and have one payload by their sid.
func messagesIn(t *testing.T, stream []byte) []string {
	t.Helper()
	parser := wire.Parser{Side: wire.FromBroker}
	var op wire.Op
	var list []string
	for len(stream) > 0 {
		n, err := parser.Next(stream, &op)
		if err != nil || n == 0 || op.Kind != wire.Msg {
			t.Fatalf("%d bytes, %v, %v at %.100q", n, op.Kind, err, stream)
		}
		list = append(list, string(op.SID)+" "+string(bytes.Clone(op.Payload())))
		stream = stream[n:]
	}
	return inOrder(list)
}

// inOrder orders the copies of one message, of which nobody says which is first.
func inOrder(list []string) []string {
	payload := func(m string) string { _, p, _ := strings.Cut(m, " "); return p }
	for i := 0; i < len(list); {
		end := i + 1
		for end < len(list) && payload(list[end]) == payload(list[i]) {
			end++
		}
		slices.SortFunc(list[i:end], cmp.Compare[string])
		i = end
	}
	return list
}

// Who is to see more than one copy, or none, has no part in a fan-out.
func TestNoFanOut(t *testing.T) {
	for _, shape := range []struct {
		name, subscribe, own string
		want                 bool
	}{
		{"the same sid", "SUB a 1\r\n", "", true},
		{"a wildcard", "SUB * 1\r\n", "", true},
		{"another sid each", "SUB a %d\r\n", "", true},
		{"two subscriptions each", "SUB a 1\r\nSUB a 2\r\n", "", false},
		{"a queue group", "SUB a q 1\r\n", "", false},
		{"the publisher itself", "SUB a 1\r\n", "SUB a 1\r\n", false},
	} {
		t.Run(shape.name, func(t *testing.T) {
			b := benchBroker()
			for i := range 4 {
				subscribe := strings.ReplaceAll(shape.subscribe, "%d", fmt.Sprint(i))
				discardClient(t, b, uint64(i+2), quietConnect+subscribe)
			}
			publisher := discardClient(t, b, 1, quietConnect+shape.own+"PUB a 0\r\n\r\nPUB a 0\r\n\r\n")
			r := publisher.publish.cache["a"]
			if got := r.fan != nil; got != shape.want {
				t.Errorf("fan-out is %v, want %v", got, shape.want)
			}
			if p := &publisher.publish; p.cached != r.cost || p.charged != r.cost || r.fan != nil && r.cost < routeCost+targetCost+copyCost {
				t.Errorf("%d bytes are cached and %d charged for a route of %d", p.cached, p.charged, r.cost)
			}
		})
	}
}
