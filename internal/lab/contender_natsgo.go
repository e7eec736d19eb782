package lab

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// natsFast is nats.go told to look every second.
func natsFast() []nats.Option {
	return []nats.Option{nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2)}
}

// natsContender is nats.go, the stock client, with the given options beside its
// defaults.
func natsContender(name, about string, worst time.Duration, computed string, options ...nats.Option) contender {
	listen := func(ctx context.Context, addr string, rec *record) (func(), error) {
		opts := append([]nats.Option{
			nats.Name(name),
			nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
				if err != nil { // nil is our own Close
					rec.noticed(loss{cause: brief(err), own: errors.Is(err, nats.ErrStaleConnection)})
				}
			}),
			nats.ReconnectHandler(func(*nats.Conn) { rec.reconnected("reconnected") }),
			nats.ClosedHandler(func(nc *nats.Conn) {
				if err := nc.LastError(); err != nil {
					rec.tell("closed for good: "+err.Error(), false)
				}
			}),
		}, options...)
		nc, err := nats.Connect("nats://"+addr, opts...)
		if err != nil {
			return nil, fmt.Errorf("lab: %s: connect: %w", name, err)
		}
		_, err = nc.Subscribe(subject, func(m *nats.Msg) {
			if n, err := strconv.Atoi(string(m.Data)); err == nil {
				rec.received(n)
			}
		})
		if err == nil {
			err = nc.FlushTimeout(startTimeout)
		}
		if err != nil {
			nc.Close()
			return nil, fmt.Errorf("lab: %s: subscribe: %w", name, err)
		}
		return nc.Close, nil
	}
	return contender{name: name, about: about, worst: worst, computed: computed, listen: listen}
}
