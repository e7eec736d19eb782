package link

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"vigil/internal/wire"
)

func queued(q *outQueue) string {
	var b bytes.Buffer
	for _, c := range q.chunks {
		b.Write(c.buf)
	}
	return b.String()
}

func TestOutQueue(t *testing.T) {
	var q outQueue
	q.control([]byte("SUB a 1\r\n"))
	q.publish(100, "a", "", nil, []byte("hi"))
	q.ping(nil)
	q.publish(100, "b", "r", []byte("NATS/1.0\r\n\r\n"), []byte("x"))
	const all = "SUB a 1\r\nPUB a 2\r\nhi\r\nPING\r\nHPUB b r 12 13\r\nNATS/1.0\r\n\r\nx\r\n"
	if got := queued(&q); got != all || q.size != len(all) || q.tally.Messages != 2 {
		t.Fatalf("queue %q, %d bytes, %v", got, q.size, q.tally)
	}
	if pings := q.keepMessages(); len(pings) != 1 {
		t.Errorf("%d PINGs dropped", len(pings))
	}
	const kept = "PUB a 2\r\nhi\r\nHPUB b r 12 13\r\nNATS/1.0\r\n\r\nx\r\n"
	if got := queued(&q); got != kept || q.size != len(kept) || q.tally != (Tally{2, int64(len(kept))}) {
		t.Errorf("kept %q, %d bytes, %v", got, q.size, q.tally)
	}
	c := q.pop()
	if q.pop() != nil || q.size != 0 || q.tally != (Tally{}) {
		t.Errorf("after pop: %d bytes, %v", q.size, q.tally)
	}
	q.publish(100, "c", "", nil, nil)
	q.push(c)
	if got := queued(&q); got != kept+"PUB c 0\r\n\r\n" || q.tally.Messages != 3 {
		t.Errorf("after push: %q, %v", got, q.tally)
	}
	q.chunks, q.size, q.tally = nil, 0, Tally{}
	q.control([]byte("SUB a 1\r\n"))
	if q.keepMessages(); len(q.chunks) != 0 || q.size != 0 {
		t.Errorf("a chunk without messages stays: %d bytes", q.size)
	}
}

func TestOutQueueCutsChunksBetweenOperations(t *testing.T) {
	var q outQueue
	for range 100 {
		q.publish(10_100, "s", "", nil, make([]byte, 10_000))
	}
	q.publish(chunkSize*3, "s", "", nil, make([]byte, chunkSize*3-100))
	for i, c := range q.chunks {
		if large := i == len(q.chunks)-1; len(c.buf) > chunkSize && !large {
			t.Errorf("chunk %d has %d bytes", i, len(c.buf))
		}
		if !bytes.HasPrefix(c.buf, []byte("PUB s ")) {
			t.Errorf("chunk %d begins with %.10q", i, c.buf)
		}
	}
}

func TestFilterAtEveryCut(t *testing.T) {
	const first, sub, second = "PUB a 2\r\nhi\r\n", "SUB a 1\r\n", "PUB b 0\r\n\r\n"
	const all = first + sub + second
	for written := range len(all) + 1 {
		c := &chunk{buf: []byte(all)}
		c.filter(written)
		want := first + second
		switch {
		case written == len(all):
			want = ""
		case written >= len(first):
			want = second
		}
		if string(c.buf) != want {
			t.Errorf("%d bytes written: kept %q, want %q", written, c.buf, want)
		}
	}
}

// FuzzFilter: whatever part of a chunk was written, what is kept is exactly the
// messages whose last byte was not.
func FuzzFilter(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4}, 7)
	f.Add([]byte{1, 1, 1}, 0)
	f.Fuzz(func(t *testing.T, script []byte, written int) {
		script = script[:min(len(script), 64)] // the account below is quadratic
		var q outQueue
		type span struct {
			end     int
			message bool
			text    string
		}
		var ops []span
		for i, b := range script {
			if len(q.chunks) > 1 {
				return
			}
			before := q.size
			switch b % 4 {
			case 0:
				q.publish(100, "s", "", nil, bytes.Repeat([]byte("PING\r\n"), int(b)))
			case 1:
				q.publish(100, "s", "r", []byte("NATS/1.0\r\n\r\n"), fmt.Append(nil, i))
			case 2:
				q.ping(nil)
			case 3:
				q.control(wire.AppendSub(nil, "s", "", fmt.Sprint(i)))
			}
			ops = append(ops, span{q.size, b%4 < 2, queued(&q)[before:]})
		}
		c := q.pop()
		if c == nil {
			return
		}
		var want string
		var messages int64
		for _, op := range ops {
			if op.message && op.end > written {
				want += op.text
				messages++
			}
		}
		if got := c.behind(written); got != (Tally{messages, int64(len(want))}) {
			t.Errorf("%v behind %d bytes, want %q", got, written, want)
		}
		c.filter(written)
		if string(c.buf) != want || c.tally != (Tally{messages, int64(len(want))}) {
			t.Errorf("kept %q with %v, want %q", c.buf, c.tally, want)
		}
	})
}

func TestLedger(t *testing.T) {
	var l ledger
	now := time.Now()
	at := func(ms int) time.Time { return now.Add(time.Duration(ms) * time.Millisecond) }
	done := make(chan error, 1)
	l.ping(at(0), nil)
	c := &chunk{tally: Tally{3, 30}, pings: []ping{{before: Tally{2, 20}, done: done}}}
	l.chunk(at(10), c)
	if l.unconfirmed() != (Tally{3, 30}) || l.unasked() != (Tally{1, 10}) {
		t.Errorf("unconfirmed %v, unasked %v", l.unconfirmed(), l.unasked())
	}
	if l.pong(at(5)).done != nil || l.rtt != 5*time.Millisecond || l.unconfirmed() != (Tally{3, 30}) {
		t.Errorf("after the first PONG: %v, rtt %v", l.unconfirmed(), l.rtt)
	}
	if l.pong(at(30)).done == nil || l.rtt != 20*time.Millisecond || l.unconfirmed() != (Tally{1, 10}) {
		t.Errorf("after the second PONG: %v, rtt %v", l.unconfirmed(), l.rtt)
	}
	if l.pong(at(40)).done != nil || l.unconfirmed() != (Tally{1, 10}) {
		t.Error("a PONG that answers nothing changes nothing")
	}
	l.takeBack(Tally{1, 10})
	if l.unconfirmed() != (Tally{}) {
		t.Errorf("taken back: %v", l.unconfirmed())
	}
}

func TestEventHub(t *testing.T) {
	var h eventHub
	q := h.add()
	for i := range maxQueuedEvents + 10 {
		h.emit(Event{Kind: EventRetrying, Attempt: i})
	}
	h.emit(Event{Kind: EventClosed})
	h.emit(Event{Kind: EventConnected, Err: errors.New("after the end")})
	var got []Event
	h.each(t.Context(), q, func(e Event) bool { got = append(got, e); return true })
	if len(got) != maxQueuedEvents || got[0].Missed != 11 || got[0].Attempt != 11 || got[len(got)-1].Kind != EventClosed {
		t.Errorf("%d events, first %+v, last %v", len(got), got[0], got[len(got)-1])
	}
	for e := range h.seq(t.Context()) {
		t.Errorf("event %v after the end", e)
	}
}

// Who takes no events holds no more messages than one loss can have.
func TestEventHubHoldsAtRiskOnce(t *testing.T) {
	var h eventHub
	q := h.add()
	for range 3 {
		h.emit(Event{Kind: EventLost, AtRisk: []Message{{Subject: "s"}}})
		h.emit(Event{Kind: EventResumed})
	}
	kept := 0
	for i := range 6 {
		e, ok, _ := h.take(q)
		if !ok {
			t.Fatalf("event %d is not there", i)
		}
		if len(e.AtRisk) > 0 {
			if kept++; i != 4 {
				t.Errorf("event %d has them", i)
			}
		}
	}
	if kept != 1 {
		t.Errorf("%d events have them", kept)
	}
}
