package lab

import (
	"context"
	"fmt"
	"time"

	"vigil/heartbeat"
	"vigil/publisher"
	"vigil/subscriber"
)

// vigilContender is Vigil's subscriber with the given heartbeat. To publish it
// has a publisher beside it, with a connection of its own: then it is the
// publisher's losses that are told, and still the subscriber's deaf windows.
func vigilContender(name, about string, bound time.Duration, beat heartbeat.Method) contender {
	join := func(ctx context.Context, p part) (client, error) {
		c := &vigilClient{}
		onEvent := func(e subscriber.Event) { hear(p.witness, e) }
		if p.publishes {
			onEvent = func(e subscriber.Event) { hearDeaf(p.witness, e) }
		}
		var err error
		c.sub, err = subscriber.Connect(ctx, "nats://"+p.addr, subscriber.Config{Name: name, Heartbeat: beat, OnEvent: onEvent})
		if err != nil {
			return nil, fmt.Errorf("lab: %s: %w", name, err)
		}
		_, err = c.sub.SubscribeFunc(subject, func(m *subscriber.Msg) { receive(p.witness, m.Data) })
		if err == nil {
			err = c.sub.Flush(ctx)
		}
		if err == nil && p.publishes {
			c.pub, err = publisher.Connect(ctx, "nats://"+p.addr, publisher.Config{
				Name: name, Heartbeat: beat, OnEvent: func(e publisher.Event) { hearLoss(p.witness, e) },
			})
		}
		if err != nil {
			_ = c.sub.Close()
			return nil, fmt.Errorf("lab: %s: subscribe: %w", name, err)
		}
		return c, nil
	}
	return contender{name: name, about: about, worst: bound, computed: fmt.Sprintf("%g s", bound.Seconds()), join: join}
}

// vigilClient is a subscriber and, if it publishes, a publisher.
type vigilClient struct {
	sub *subscriber.Subscriber
	pub *publisher.Publisher // nil if it only listens
}

func (c *vigilClient) publish(ctx context.Context, to string, data []byte) error {
	return c.pub.Publish(ctx, to, data)
}

func (c *vigilClient) close() {
	if c.pub != nil {
		_ = c.pub.Close()
	}
	_ = c.sub.Close()
}

// hear turns a connection's events into what the lab records.
func hear(w witness, e subscriber.Event) {
	hearDeaf(w, e)
	hearLoss(w, e)
}

// hearDeaf passes on the deaf windows.
func hearDeaf(w witness, e subscriber.Event) {
	if e.Kind == subscriber.EventResumed {
		w.claims(e.DeafFrom, e.DeafTo)
	}
}

// hearLoss passes on the losses and what became of them.
func hearLoss(w witness, e subscriber.Event) {
	switch e.Kind {
	case subscriber.EventSuspect:
		w.remark(e.String(), false)
	case subscriber.EventLost:
		w.noticed(loss{cause: e.Loss.Error(), silence: e.Loss.Evidence.Silence, pauses: e.Loss.Evidence.Pauses, own: e.Loss.Cause.Stale()})
	case subscriber.EventResumed:
		w.reconnected(e.String())
	}
}
