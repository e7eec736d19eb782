package lab

import (
	"context"
	"fmt"
	"strconv"

	"vigil/heartbeat"
	"vigil/subscriber"
)

// vigilContender is Vigil's subscriber with the given heartbeat.
func vigilContender(name, about string, beat heartbeat.Config) contender {
	listen := func(ctx context.Context, addr string, rec *record) (func(), error) {
		sub, err := subscriber.Connect(ctx, "nats://"+addr, subscriber.Config{
			Name:      name,
			Heartbeat: beat,
			OnEvent:   func(e subscriber.Event) { hear(rec, e) },
		})
		if err != nil {
			return nil, fmt.Errorf("lab: %s: %w", name, err)
		}
		_, err = sub.SubscribeFunc(subject, func(m *subscriber.Msg) {
			if n, err := strconv.Atoi(string(m.Data)); err == nil {
				rec.received(n)
			}
		})
		if err == nil {
			err = sub.Flush(ctx)
		}
		if err != nil {
			_ = sub.Close()
			return nil, fmt.Errorf("lab: %s: subscribe: %w", name, err)
		}
		return func() { _ = sub.Close() }, nil
	}
	computed := fmt.Sprintf("%g s", beat.Bound().Seconds())
	return contender{name: name, about: about, worst: beat.Bound(), computed: computed, listen: listen}
}

// hear turns a subscriber's events into what the lab records.
func hear(rec *record, e subscriber.Event) {
	switch e.Kind {
	case subscriber.EventSuspect:
		rec.tell(e.String(), false)
	case subscriber.EventLost:
		rec.noticed(loss{e.Loss.Error(), e.Loss.Evidence.Silence, e.Loss.Cause.Stale()})
	case subscriber.EventResumed:
		rec.claims(e.DeafFrom, e.DeafTo)
		rec.reconnected(e.String())
	}
}
