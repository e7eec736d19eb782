package broker

import (
	"fmt"
	"io"
	"math/rand/v2"

	"vigil/internal/subject"
)

func matches(pattern, published string) bool { return subject.Match(pattern, published) }

// fidget subscribes and unsubscribes, in turns and by limits, uses sids again,
// and now and then breaks its connection, until the publishers have ended.
func (s *stress) fidget(r *rand.Rand) error {
	c := s.dial()
	patterns := []string{"s.*.*", "s.1.*", ">", "s.*.p2", "nobody.*"}
	for !s.over.Load() {
		pattern := patterns[r.IntN(len(patterns))]
		clear(c.next[:]) // the order is that of one subscription
		text := fmt.Sprintf("SUB %s 1\r\n", pattern)
		limit := -1
		if r.IntN(3) == 0 {
			// Until the UNSUB is obeyed there is no limit, and though it comes in one
			// piece with the SUB, the broker may be held up between the two.
			limit = 1 + r.IntN(20)
			text += fmt.Sprintf("UNSUB 1 %d\r\n", limit)
		}
		if _, err := io.WriteString(c.conn, text+"PING\r\n"); err != nil {
			return err
		}
		got, err := c.until(pattern, 0)
		if err != nil {
			return err
		}
		known := got // the PONG is behind the UNSUB
		if r.IntN(10) == 0 {
			// Gone without a word.
			c.conn.Close()
			c = s.dial()
			continue
		}
		io.WriteString(c.conn, "UNSUB 1\r\nPING\r\n")
		if got, err = c.until(pattern, got); err != nil {
			return err
		}
		if limit >= 0 && got > max(limit, known) {
			return fmt.Errorf("restless: %d messages on %s, want at most %d: %d had come when the limit was known", got, pattern, limit, known)
		}
	}
	return nil
}

// until reads up to the next PONG, what comes on one subscription, and returns
// how many messages that has had.
func (c *stressConn) until(pattern string, got int) (int, error) {
	for {
		m, err := c.read()
		switch {
		case err != nil:
			return got, fmt.Errorf("restless: %w", err)
		case m.op == "PONG":
			return got, nil
		case m.op != "MSG":
			return got, fmt.Errorf("restless: got %q", m.op)
		case !matches(pattern, m.subject):
			return got, fmt.Errorf("restless: a message on %s for a subscription to %s", m.subject, pattern)
		}
		if err := c.ordered(m); err != nil {
			return got, fmt.Errorf("restless, %s: %w", pattern, err)
		}
		got++
	}
}
