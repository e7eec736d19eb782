package bench

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

const (
	// massClients is how many share the subscriptions, which are all different.
	massClients = 10
	// massProbes is how many of each client's are tried.
	massProbes = 100
	// massFirstSID is the number of each client's first.
	massFirstSID = 1
)

func massSubject(client, i int) string {
	return fmt.Sprintf("bench.client%02d.item%07d.changed", client, i)
}

// measureSubscriptions is a round that measures the memory of a subscription,
// and what it costs to enter it.
func measureSubscriptions(ctx context.Context, t *target, timing timing) (sample, error) {
	s := noSample()
	each := max(timing.subscriptions/massClients, 1) // of every client
	var conns []*conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for range massClients + 1 {
		c, err := dial(ctx, t.dialect, t.addr, true)
		if err != nil {
			return s, err
		}
		context.AfterFunc(ctx, func() { _ = c.Close() })
		conns = append(conns, c)
	}
	clients, publisher := conns[:massClients], conns[massClients]
	before, err := t.meter.settled(ctx)
	if err != nil {
		return s, err
	}
	var done int64
	watch := startWatch(t.meter, func() int64 { return done })
	for k, c := range clients {
		var b []byte
		for i := range each {
			b = t.dialect.appendSubscribe(b, massSubject(k, i), "", massFirstSID+i)
		}
		if err := c.subscribe(t.dialect, b, each); err != nil {
			return s, err
		}
		done += int64(each)
	}
	s.perSecond, s.cpu = watch.stop()
	after, err := t.meter.settled(ctx)
	if err != nil {
		return s, err
	}
	s.size, s.each = float64(done), (after-before)/float64(done)
	s.peak = t.meter.peak()
	return s, probe(t, publisher, clients, each)
}

// probe publishes to some of each client's subjects, of which there are each,
// and checks that it receives exactly that.
func probe(t *target, publisher *conn, clients []*conn, each int) error {
	for k, c := range clients {
		var published, expected []byte
		for i := 0; i < each; i += max(each/massProbes, 1) {
			m := message{subject: massSubject(k, i), sid: massFirstSID + i, payload: plain(16)}
			published = t.dialect.appendPublish(published, m)
			expected = t.dialect.appendDelivery(expected, m)
		}
		if _, err := publisher.Write(published); err != nil {
			return err
		}
		if err := c.SetDeadline(time.Now().Add(setupTimeout)); err != nil {
			return err
		}
		if err := expectLines(t, c, expected); err != nil {
			return fmt.Errorf("subscriptions of client %d: %w", k, err)
		}
	}
	return nil
}

// expectLines reads deliveries, line by line, and answers what comes between
// them.
func expectLines(t *target, c *conn, expected []byte) error {
	for len(expected) > 0 {
		line, err := c.lines.ReadBytes('\n')
		if err != nil {
			return noEOF(err)
		}
		if bytes.HasPrefix(expected, line) {
			expected = expected[len(line):]
			continue
		}
		answer, err := t.dialect.control(line)
		if err != nil {
			return fmt.Errorf("want %q: %w", clip(expected), err)
		}
		if err := c.say(answer); err != nil {
			return err
		}
	}
	return nil
}
