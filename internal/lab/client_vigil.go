package lab

import (
	"context"
	"fmt"

	"vigil/publisher"
	"vigil/subscriber"
)

// vigilLoop receives with Vigil's subscriber, in a loop.
func vigilLoop(opts ...subscriber.Option) role {
	return func(ctx context.Context, url string, p *pace) error {
		sub, err := subscriber.Connect(ctx, url, subscriber.Config{})
		if err != nil {
			return err
		}
		defer sub.Close()
		s, err := sub.Subscribe(flowSubject, opts...)
		if err != nil {
			return err
		}
		if err := sub.Flush(ctx); err != nil {
			return err
		}
		if err := p.ready(); err != nil {
			return err
		}
		n := int64(0)
		for m, err := range s.Messages(ctx) {
			if err != nil {
				return err
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
}

// vigilHandler receives with a handler.
func vigilHandler(opts ...subscriber.Option) role {
	return func(ctx context.Context, url string, p *pace) error {
		sub, err := subscriber.Connect(ctx, url, subscriber.Config{})
		if err != nil {
			return err
		}
		defer sub.Close()
		n := int64(0)
		_, err = sub.SubscribeFunc(flowSubject, func(m *subscriber.Msg) {
			if n += int64(len(m.Data)) / flowSize; n%countEvery == 0 {
				p.ops.Store(n)
			}
		}, opts...)
		if err != nil {
			return err
		}
		if err := sub.Flush(ctx); err != nil {
			return err
		}
		if err := p.ready(); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
}

// vigilPublish publishes with Vigil's publisher.
func vigilPublish(cfg publisher.Config) role {
	return func(ctx context.Context, url string, p *pace) error {
		pub, err := publisher.Connect(ctx, url, cfg)
		if err != nil {
			return err
		}
		defer pub.Close()
		if err := p.ready(); err != nil {
			return err
		}
		data := letters(flowSize)
		n := int64(0)
		for ctx.Err() == nil {
			for range countEvery {
				if err := pub.Publish(context.Background(), flowSubject, data); err != nil {
					return err
				}
			}
			n += countEvery
			p.ops.Store(n)
		}
		return pub.Flush(context.Background())
	}
}

// vigilRequests asks with Vigil's publisher, so many at a time.
func vigilRequests(parallel int) role {
	return func(ctx context.Context, url string, p *pace) error {
		pub, err := publisher.Connect(ctx, url, publisher.Config{})
		if err != nil {
			return err
		}
		defer pub.Close()
		if err := p.ready(); err != nil {
			return err
		}
		data := letters(requestSize)
		return p.crowd(ctx, parallel, func(ctx context.Context) error {
			_, err := pub.Request(ctx, serviceSubject, data)
			return err
		})
	}
}
