package lab

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
)

// natsLoop receives with nats.go, in a loop over its iterator.
func natsLoop(ctx context.Context, url string, p *pace) error {
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer nc.Close()
	s, err := nc.SubscribeSync(flowSubject)
	if err != nil {
		return err
	}
	if err := nc.FlushTimeout(startTimeout); err != nil {
		return err
	}
	if err := p.ready(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Unsubscribe() })
	defer stop()
	n := int64(0)
	for m, err := range s.Msgs() {
		if err != nil {
			return ended(ctx, err)
		}
		if len(m.Data) != flowSize {
			return fmt.Errorf("a message of %d bytes, want %d", len(m.Data), flowSize)
		}
		if n++; n%countEvery == 0 {
			p.ops.Store(n)
		}
	}
	return nil
}

// ended is the error with which a loop ended, nil if it was told to.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// natsHandler receives with a handler.
func natsHandler(ctx context.Context, url string, p *pace) error {
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer nc.Close()
	n := int64(0)
	_, err = nc.Subscribe(flowSubject, func(m *nats.Msg) {
		if n += int64(len(m.Data)) / flowSize; n%countEvery == 0 {
			p.ops.Store(n)
		}
	})
	if err != nil {
		return err
	}
	if err := nc.FlushTimeout(startTimeout); err != nil {
		return err
	}
	if err := p.ready(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// natsPublish publishes with nats.go.
func natsPublish(ctx context.Context, url string, p *pace) error {
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := p.ready(); err != nil {
		return err
	}
	data := letters(flowSize)
	n := int64(0)
	for ctx.Err() == nil {
		for range countEvery {
			if err := nc.Publish(flowSubject, data); err != nil {
				return err
			}
		}
		n += countEvery
		p.ops.Store(n)
	}
	return nc.FlushTimeout(startTimeout)
}

// natsRequests asks with nats.go, so many at a time.
func natsRequests(parallel int) role {
	return func(ctx context.Context, url string, p *pace) error {
		nc, err := nats.Connect(url)
		if err != nil {
			return err
		}
		defer nc.Close()
		if err := p.ready(); err != nil {
			return err
		}
		data := letters(requestSize)
		return p.crowd(ctx, parallel, func(ctx context.Context) error {
			_, err := nc.RequestWithContext(ctx, serviceSubject, data)
			return err
		})
	}
}
