package front

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"vigil/internal/subject"
	"vigil/internal/wire"
)

const (
	// recordHead and recordTail bound the operations kept of one connection: its
	// beginning and its end.
	recordHead = 32
	recordTail = 224
	// recordSubs bounds the subscriptions remembered of one connection.
	recordSubs = 1 << 16
)

// record is what is known of one connection, also when it has ended. It is
// guarded by Front.mu.
type record struct {
	id     int // counted by the front
	remote string
	opened time.Time

	number     uint64 // client_id of its INFO, or id if that has none
	introduced bool   // its CONNECT has come
	name       string // of its CONNECT
	answered   bool   // the first PONG is on its way to it, or was handed to it
	greeted    bool   // it was

	heard  time.Time // when the broker last got a byte from it
	active time.Time // when something but PING or PONG last passed
	left   time.Time // when the client closed its side; zero if it has not
	ended  time.Time // when the connection was over; zero if it is not

	subs   map[string]string // subject by sid, those in effect
	limits map[string]int64  // messages after which a sid ends

	head, tail []line
	omitted    int // lines between head and tail
}

// line is an operation of a transcript, or several that are alike.
type line struct {
	at    time.Time
	to    Direction
	kind  wire.Kind
	text  string
	times int
}

// write keeps an operation that is about to pass.
func (r *record) write(now time.Time, d Direction, e *entry) {
	r.add(line{at: now, to: d, kind: e.kind, text: e.text, times: 1})
	if e.kind != wire.Ping && e.kind != wire.Pong {
		r.active = now
	}
	switch e.kind {
	case wire.Info:
		if info, err := wire.ParseInfo([]byte(e.arg)); err == nil && info.ClientID != 0 {
			r.number = info.ClientID
		}
	case wire.Connect:
		connect := wire.DefaultConnect()
		if connect.Merge([]byte(e.arg)) == nil {
			r.introduced, r.name = true, connect.Name
		}
	case wire.Pong:
		r.answered = r.answered || d == FromBroker
	}
}

// apply takes in what an operation has done that has passed.
func (r *record) apply(d Direction, e *entry) {
	switch e.kind {
	case wire.Sub:
		if len(r.subs) < recordSubs {
			r.subs[e.sid] = e.subject
		}
	case wire.Unsub:
		if e.max <= 0 {
			delete(r.subs, e.sid)
			delete(r.limits, e.sid)
		} else if _, ok := r.subs[e.sid]; ok {
			r.limits[e.sid] = e.max
		}
	case wire.Msg, wire.HMsg:
		if left, ok := r.limits[e.sid]; ok {
			if r.limits[e.sid] = left - 1; left <= 1 {
				delete(r.subs, e.sid)
				delete(r.limits, e.sid)
			}
		}
	case wire.Pong:
		r.greeted = r.greeted || d == FromBroker
	}
}

// add keeps a line. One that repeats the last is only counted.
func (r *record) add(l line) {
	last := r.tail
	if len(last) == 0 {
		last = r.head
	}
	if n := len(last); n > 0 && last[n-1].to == l.to && last[n-1].text == l.text {
		last[n-1].times++
		return
	}
	switch {
	case len(r.head) < recordHead:
		r.head = append(r.head, l)
	case len(r.tail) < recordTail:
		r.tail = append(r.tail, l)
	default:
		copy(r.tail, r.tail[1:])
		r.tail[recordTail-1] = l
		r.omitted++
	}
}

// covering counts the subscriptions that get what is published to subject,
// which may be a pattern.
func (r *record) covering(wanted string) (n int) {
	for _, pattern := range r.subs {
		if covers(pattern, wanted) {
			n++
		}
	}
	return n
}

// covers reports whether a subscription to pattern gets all that wanted matches,
// which is a subject or a pattern.
func covers(pattern, wanted string) bool {
	for more := true; more; {
		var p, w string
		var rest bool
		p, pattern, more = subject.Cut(pattern)
		w, wanted, rest = subject.Cut(wanted)
		switch {
		case p == ">":
			return true
		case w == ">" || p != "*" && p != w || more != rest:
			return false
		}
	}
	return true
}

// lasting returns what the client is subscribed to, but for subjects that replies
// come to, which may be others after a reconnect.
func (r *record) lasting() (all []string) {
	for _, pattern := range r.subs {
		if !strings.HasPrefix(pattern, "_INBOX.") {
			all = append(all, pattern)
		}
	}
	return all
}

// title names the connection for people.
func (r *record) title() string {
	if r.name == "" {
		return strconv.Itoa(r.id)
	}
	return fmt.Sprintf("%d %s", r.id, clip(r.name))
}

// transcript writes what passed.
func (r *record) transcript(since func(time.Time) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "client %s from %s\n", r.title(), r.remote)
	write := func(lines []line) {
		for _, l := range lines {
			arrow := "<" // to the client
			if l.to == ToBroker {
				arrow = ">"
			}
			fmt.Fprintf(&b, "%s  %s %s", since(l.at), arrow, l.text)
			if l.times > 1 {
				fmt.Fprintf(&b, "  (%d times)", l.times)
			}
			b.WriteByte('\n')
		}
	}
	write(r.head)
	if r.omitted > 0 {
		fmt.Fprintf(&b, "           … %d more\n", r.omitted)
	}
	write(r.tail)
	return b.String()
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
