package cuts_test

import (
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"time"
)

// payload is message n: its number, a checksum, and padding of a length of its own.
func payload(n int) []byte {
	body := strconv.Itoa(n) + " " + strings.Repeat("x", n*7919%97)
	return fmt.Appendf(nil, "%08x %s", crc32.ChecksumIEEE([]byte(body)), body)
}

// number returns which message data is, or an error if nobody sent it so.
func number(data []byte) (int, error) {
	sum, body, _ := strings.Cut(string(data), " ")
	text, _, _ := strings.Cut(body, " ")
	n, err := strconv.Atoi(text)
	if err != nil || fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body))) != sum {
		return 0, fmt.Errorf("corrupt: %q", data)
	}
	return n, nil
}

// span is a deaf window, as a subscriber reported it.
type span struct{ from, to time.Time }

// history is what happened.
type history struct {
	published []time.Time  // when message n was given to Publish, which took it
	atRisk    map[int]bool // told by the publisher as perhaps lost
	confirmed bool         // the publisher sends again what is unconfirmed
	steady    []int        // received on a connection that was never cut
	routed    []time.Time  // when each of these came there: the broker had it by then
	unique    []int        // the same, with repeats dropped
	cut       []int        // received on one that was
	deaf      []span       // what that one said of itself
	corrupt   []string
}

// slack is by how much two connections may get the same message at different times.
const slack = 100 * time.Millisecond

// judge returns what is wrong.
func (h *history) judge() (wrong []string) {
	complain := func(format string, args ...any) {
		if len(wrong) < 20 {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	for _, c := range h.corrupt {
		complain("%s", c)
	}
	h.order(complain, "the connection never cut", h.steady, h.confirmed)
	h.order(complain, "the one that drops repeats", h.unique, false)
	h.order(complain, "the connection that was cut", h.cut, h.confirmed)

	steady, unique, cut := set(h.steady), set(h.unique), set(h.cut)
	routed := make(map[int]time.Time, len(h.steady))
	for k, n := range h.steady {
		routed[n] = h.routed[k]
	}
	for n, at := range h.published {
		lost := !steady[n]
		switch {
		case lost && h.confirmed:
			complain("message %d is lost, though it was to be sent again", n)
		case lost && !h.atRisk[n]:
			complain("message %d is lost, and was not told to be at risk", n)
		case !lost && !unique[n]:
			complain("message %d was dropped as a repeat", n)
		case !lost && !cut[n] && !h.confirmed && !h.isDeaf(at, routed[n]):
			complain("message %d is missing on the connection that was cut, outside its deaf windows", n)
		}
	}
	return wrong
}

// order checks that numbers were published, and come in order, once. One at risk may
// come late: its broker may still work through what a connection that has ended had
// brought. With repeats, a run may come again from an earlier number on.
func (h *history) order(complain func(string, ...any), who string, numbers []int, repeats bool) {
	next := 0
	came := make(map[int]bool, len(numbers))
	for k, n := range numbers {
		switch {
		case n < 0 || n >= len(h.published):
			complain("%s: message %d was never published", who, n)
			continue
		case came[n] && !repeats:
			complain("%s: message %d comes twice", who, n)
		case n < next && !repeats && h.atRisk[n]:
			came[n] = true
			continue
		case n < next && !repeats:
			complain("%s: message %d comes behind message %d", who, n, next-1)
		case n > next && repeats && k > 0 && !h.skips(who):
			complain("%s: message %d comes where %d was due", who, n, next)
		}
		came[n] = true
		next = n + 1
	}
}

// skips reports whether a connection may miss messages: those that were cut, in
// their deaf windows.
func (h *history) skips(who string) bool { return strings.Contains(who, "was cut") }

// isDeaf reports whether the connection that was cut says that it was deaf at some
// time between the two: the broker had the message in between.
func (h *history) isDeaf(from, to time.Time) bool {
	return slices.ContainsFunc(h.deaf, func(s span) bool {
		return to.After(s.from.Add(-slack)) && from.Before(s.to.Add(slack))
	})
}

func set(numbers []int) map[int]bool {
	s := make(map[int]bool, len(numbers))
	for _, n := range numbers {
		s[n] = true
	}
	return s
}
