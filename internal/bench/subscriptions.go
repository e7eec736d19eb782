package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"
)

// The million subscriptions, all different, of a few clients.
const (
	mass        = 1_000_000
	massClients = 10
	massEach    = mass / massClients
	// massProbes is how many of each client's are tried.
	massProbes = 100
)

func massSubject(client, i int) string {
	return fmt.Sprintf("bench.client%02d.item%07d.changed", client, i)
}

// measureSubscriptions is a round that measures the memory of a subscription,
// and what it costs to enter it.
func measureSubscriptions(ctx context.Context, t *target, _ timing) (sample, error) {
	s := noSample()
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
		for i := range massEach {
			b = t.dialect.appendSubscribe(b, massSubject(k, i), "", massEach+i)
		}
		if err := c.subscribe(t.dialect, b, massEach); err != nil {
			return s, err
		}
		done += massEach
	}
	s.perSecond, s.cpu = watch.stop()
	after, err := t.meter.settled(ctx)
	if err != nil {
		return s, err
	}
	s.each = (after - before) / mass
	s.peak = t.meter.peak()
	return s, probe(t, publisher, clients)
}

// probe publishes to some of each client's subjects and checks that it receives
// exactly that.
func probe(t *target, publisher *conn, clients []*conn) error {
	for k, c := range clients {
		var published, expected []byte
		for i := range massProbes {
			i *= massEach / massProbes
			m := message{subject: massSubject(k, i), sid: massEach + i, payload: plain(16)}
			published = t.dialect.appendPublish(published, m)
			expected = t.dialect.appendDelivery(expected, m)
		}
		if _, err := publisher.Write(published); err != nil {
			return err
		}
		if err := c.SetDeadline(time.Now().Add(setupTimeout)); err != nil {
			return err
		}
		if err := expectBytes(t, c, expected); err != nil {
			return fmt.Errorf("subscriptions of client %d: %w", k, err)
		}
	}
	return nil
}

// expectBytes reads deliveries, and answers what comes between them.
func expectBytes(t *target, c *conn, expected []byte) error {
	for {
		next, err := c.lines.Peek(1)
		if err != nil {
			return noEOF(err)
		}
		if next[0] == expected[0] {
			break
		}
		line, err := c.line()
		if err != nil {
			return err
		}
		answer, err := t.dialect.control([]byte(line))
		if err != nil {
			return err
		}
		if err := c.say(answer); err != nil {
			return err
		}
	}
	got := make([]byte, len(expected))
	if _, err := io.ReadFull(c.lines, got); err != nil {
		return noEOF(err)
	}
	if !bytes.Equal(got, expected) {
		same := commonPrefix(got, expected)
		return &frameError{offset: same, got: clip(got[same:]), want: clip(expected[same:])}
	}
	return nil
}
