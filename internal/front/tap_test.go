package front

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/internal/wire"
)

func texts(all []entry) (texts []string) {
	for _, e := range all {
		texts = append(texts, e.text)
	}
	return texts
}

func TestTapTells(t *testing.T) {
	long := strings.Repeat("s", 300)
	for name, tc := range map[string]struct {
		side wire.Side
		in   string
		want []string
	}{
		"client": {wire.FromClient, "CONNECT {\"user\":\"u\",\"pass\":\"p\"}\r\nSUB a.> q 1\r\nUNSUB 1 5\r\nPUB a r 2\r\nhi\r\nPING\r\n",
			[]string{`CONNECT {"pass":"***","user":"u"}`, "SUB a.> q 1", "UNSUB 1 5", `PUB a r 2 "hi"`, "PING"}},
		"broker": {wire.FromBroker, "INFO {}\r\nMSG a 1 2\r\nhi\r\n-ERR 'Stale Connection'\r\n",
			[]string{"INFO {}", `MSG a 1 2 "hi"`, "-ERR 'Stale Connection'"}},
		"header":  {wire.FromClient, "HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", []string{`HPUB a 14 "hi"`}},
		"long":    {wire.FromClient, "SUB " + long + " 1\r\n", []string{"SUB " + long[:entryText-4] + "…"}},
		"preview": {wire.FromClient, "PUB a 40\r\n" + strings.Repeat("\x00", 40) + "\r\n", []string{`PUB a 40 "` + strings.Repeat(`\x00`, 32) + `"…`}},
		"json":    {wire.FromClient, "CONNECT {broken\r\n", []string{"CONNECT (unreadable)"}},
		"foreign": {wire.FromClient, "PING\r\nGET / HTTP/1.1\r\n", []string{"PING", "not the NATS protocol from here on: wire: unknown protocol operation"}},
	} {
		whole := newTap(tc.side)
		if got := texts(whole.feed([]byte(tc.in))); !slices.Equal(got, tc.want) {
			t.Errorf("%s: told %q, want %q", name, got, tc.want)
		}
		bytewise := newTap(tc.side)
		var got []string
		for i := range len(tc.in) {
			got = append(got, texts(bytewise.feed([]byte(tc.in[i:i+1])))...)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: byte by byte told %q, want %q", name, got, tc.want)
		}
	}
}

// Whatever comes, cut anywhere, is told the same, and never panics.
func FuzzTap(f *testing.F) {
	f.Add("CONNECT {\"pass\":\"p\"}\r\nSUB a 1\r\nPUB a 2\r\nhi\r\n", uint8(3))
	f.Add("INFO {}\r\nMSG a 1 2\r\nhi\r\n-ERR 'x'\r\n", uint8(1))
	f.Fuzz(func(t *testing.T, in string, cut uint8) {
		for _, side := range []wire.Side{wire.FromClient, wire.FromBroker} {
			whole, parts := newTap(side), newTap(side)
			want := texts(whole.feed([]byte(in)))
			at := min(int(cut), len(in))
			got := append(texts(parts.feed([]byte(in[:at]))), texts(parts.feed([]byte(in[at:])))...)
			if !slices.Equal(got, want) {
				t.Errorf("cut at %d: told %q, want %q", at, got, want)
			}
			r := &record{subs: map[string]string{}, limits: map[string]int64{}}
			for _, e := range whole.feed(nil) {
				r.write(time.Time{}, ToBroker, &e)
				r.apply(ToBroker, &e)
			}
		}
	})
}

func TestRecordIsBounded(t *testing.T) {
	r := &record{subs: map[string]string{}, limits: map[string]int64{}}
	for i := range 1000 {
		e := entry{kind: wire.Sub, text: fmt.Sprint("SUB ", i)}
		r.write(start, ToBroker, &e)
		r.write(start, ToBroker, &e) // the same again is counted
	}
	text := r.transcript(func(time.Time) string { return "" })
	if n := strings.Count(text, "\n"); n != 1+recordHead+1+recordTail {
		t.Errorf("%d lines are kept", n)
	}
	for _, part := range []string{"SUB 0  (2 times)\n", "… 744 more\n", "SUB 999  (2 times)\n"} {
		if !strings.Contains(text, part) {
			t.Errorf("the transcript lacks %q:\n%s", part, text)
		}
	}
}

func TestSubscriptionsOfARecord(t *testing.T) {
	r := &record{subs: map[string]string{}, limits: map[string]int64{}}
	feed := func(side wire.Side, text string) {
		tap := newTap(side)
		d := ToBroker
		if side == wire.FromBroker {
			d = FromBroker
		}
		for _, e := range tap.feed([]byte(text)) {
			r.apply(d, &e)
		}
	}
	feed(wire.FromClient, "SUB a.* 1\r\nSUB a.> 2\r\nSUB b 3\r\nUNSUB 3\r\nUNSUB 1 2\r\nSUB _INBOX.x 4\r\n")
	for subject, want := range map[string]int{"a.*": 2, "a.>": 1, "a.b": 2, "a.b.c": 1, "b": 0, ">": 0} {
		if got := r.covering(subject); got != want {
			t.Errorf("%d subscriptions get %q, want %d", got, subject, want)
		}
	}
	feed(wire.FromBroker, "MSG a.b 1 0\r\n\r\nMSG a.b 1 0\r\n\r\n") // its last
	if got := r.covering("a.b"); got != 1 {
		t.Errorf("%d subscriptions after the last message, want 1", got)
	}
	if got := r.lasting(); !slices.Equal(got, []string{"a.>"}) {
		t.Errorf("lasting are %q", got)
	}
}

func TestTimelineIsBounded(t *testing.T) {
	var l timeline
	for i := range 3 * timelineLimit {
		l.add(start, nil, fmt.Sprint(i))
	}
	if len(l.events) > timelineLimit || len(l.events)+l.dropped != 3*timelineLimit {
		t.Errorf("%d events are kept and %d dropped", len(l.events), l.dropped)
	}
}

func TestMessagesAreMatched(t *testing.T) {
	var m messages
	for _, data := range []string{"x", "y", "x"} {
		m.add("a", []byte(data))
	}
	m.add("b", []byte("x"))
	hand := func(data string) {
		tap := newTap(wire.FromBroker)
		for _, e := range tap.feed([]byte(fmt.Sprintf("MSG a 1 %d\r\n%s\r\n", len(data), data))) {
			m.passing(FromBroker, &e)
		}
	}
	hand("x") // the earlier of two that are alike
	hand("z") // not ours
	if got := m.published("*", true); !slices.Equal(got, []int{2, 3, 4}) {
		t.Errorf("missed are %v", got)
	}
	hand("x")
	hand("x")
	m.failed(3)
	if got := m.published("a", true); !slices.Equal(got, []int{2, 3}) {
		t.Errorf("missed are %v", got)
	}
	hand("x")
	if got := m.published("a", true); !slices.Equal(got, []int{2}) {
		t.Errorf("missed are %v", got)
	}
	for range messagesLimit {
		m.add("c", nil)
	}
	if len(m.list) > messagesLimit || m.list[0].subject != "c" {
		t.Errorf("%d messages are remembered, the first of %q", len(m.list), m.list[0].subject)
	}
	tap := newTap(wire.FromBroker)
	for _, e := range tap.feed([]byte("MSG c 1 0\r\n\r\n")) {
		m.passing(FromBroker, &e)
	}
	if got := m.published("c", true); len(got) != len(m.list)-1 {
		t.Errorf("%d of %d are missed", len(got), len(m.list))
	}
}
