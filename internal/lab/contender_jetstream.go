package lab

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// jetStream is the stream that keeps the feed's messages, in memory, on servers
// that are asked for it.
const jetStream = "LAB"

// idleHeartbeat is how often the server tells a consumer that there is nothing.
const idleHeartbeat = time.Second

// jetStreamContender is an ordered consumer of nats.go, whose server sends
// heartbeats while there is nothing to deliver. When two are missing it begins
// anew, on the connection that it has.
func jetStreamContender() contender {
	const name = "jetstream-ordered"
	join := func(ctx context.Context, p part) (client, error) {
		t := &tellOnce{witness: p.witness}
		nc, err := nats.Connect("nats://"+p.addr, nats.Name(name),
			nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
				if err != nil { // nil is our own Close
					t.lost(loss{cause: brief(err), own: errors.Is(err, nats.ErrStaleConnection)})
				}
			}))
		if err != nil {
			return nil, fmt.Errorf("lab: %s: connect: %w", name, err)
		}
		if err := consume(ctx, nc, t); err != nil {
			nc.Close()
			return nil, fmt.Errorf("lab: %s: %w", name, err)
		}
		return natsClient{nc}, nil
	}
	return contender{
		name: name, about: "nats.go's ordered consumer, idle heartbeat 1 s, its connection with nats.go's defaults",
		worst: 2*idleHeartbeat + idleHeartbeat/2, computed: "2–2.5 s", blocks: true, only: NATSServer, streams: true, join: join,
	}
}

func consume(ctx context.Context, nc *nats.Conn, t *tellOnce) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	consumer, err := js.OrderedConsumer(ctx, jetStream, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy})
	if err != nil {
		return fmt.Errorf("consumer: %w", err)
	}
	_, err = consumer.Consume(func(m jetstream.Msg) { t.back(); receive(t.witness, m.Data()) },
		jetstream.PullHeartbeat(idleHeartbeat), jetstream.PullExpiry(10*idleHeartbeat),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			if errors.Is(err, jetstream.ErrNoHeartbeat) {
				t.lost(loss{cause: brief(err), own: true})
			}
		}))
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	return nil
}

// tellOnce tells a loss, and then none until the consumer is back: it notices
// again and again.
type tellOnce struct {
	witness
	away atomic.Bool
}

func (t *tellOnce) lost(l loss) {
	if !t.away.Swap(true) {
		t.noticed(l)
	}
}

func (t *tellOnce) back() {
	if t.away.Load() && t.away.Swap(false) {
		t.reconnected("receives again")
	}
}
