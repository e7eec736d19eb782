package lab

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// natsEvery is nats.go told to look at another interval than its own.
func natsEvery(interval time.Duration, outstanding int) []nats.Option {
	return []nats.Option{nats.PingInterval(interval), nats.MaxPingsOutstanding(outstanding)}
}

// natsContender is nats.go, the stock client, with the given options beside its
// defaults.
func natsContender(name, about string, worst time.Duration, computed string, options ...nats.Option) contender {
	join := func(_ context.Context, p part) (client, error) {
		w := p.witness
		opts := append([]nats.Option{
			nats.Name(name),
			nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
				if err != nil { // nil is our own Close
					w.noticed(loss{cause: brief(err), own: errors.Is(err, nats.ErrStaleConnection)})
				}
			}),
			nats.ReconnectHandler(func(*nats.Conn) { w.reconnected("reconnected") }),
			nats.ClosedHandler(func(nc *nats.Conn) {
				if err := nc.LastError(); err != nil {
					w.remark("closed for good: "+err.Error(), false)
				}
			}),
		}, options...)
		nc, err := nats.Connect("nats://"+p.addr, opts...)
		if err != nil {
			return nil, fmt.Errorf("lab: %s: connect: %w", name, err)
		}
		_, err = nc.Subscribe(subject, func(m *nats.Msg) { receive(w, m.Data) })
		if err == nil {
			err = nc.FlushTimeout(startTimeout)
		}
		if err != nil {
			nc.Close()
			return nil, fmt.Errorf("lab: %s: subscribe: %w", name, err)
		}
		return natsClient{nc}, nil
	}
	return contender{name: name, about: about, worst: worst, computed: computed, blocks: true, join: join}
}

type natsClient struct{ nc *nats.Conn }

// publish blocks while nats.go does, whatever ctx says: it has no other way.
func (c natsClient) publish(_ context.Context, to string, data []byte) error {
	return c.nc.Publish(to, data)
}

func (c natsClient) close() { c.nc.Close() }
