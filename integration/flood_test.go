package integration_test

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"vigil/publisher"
)

// flood publishes as fast as the connection takes it, to nobody.
type flood struct {
	*publisher.Publisher
	diary   diary
	payload []byte

	resumed chan struct{} // holds a token when there is a connection again
	cancel  context.CancelFunc
	ended   chan struct{}

	bytes   atomic.Int64 // published so far
	longest atomic.Int64 // the longest Publish, in ns
	failed  atomic.Value // an error that was not to be expected
}

// startFlood connects to h and publishes until stop or the end of the test.
func startFlood(t *testing.T, h *host, cfg publisher.Config) *flood {
	t.Helper()
	f := &flood{
		payload: bytes.Repeat([]byte("x"), 4096),
		resumed: make(chan struct{}, 1),
		ended:   make(chan struct{}),
	}
	cfg.OnEvent = func(e publisher.Event) {
		f.diary.note(e)
		if e.Kind == publisher.EventResumed {
			select {
			case f.resumed <- struct{}{}:
			default:
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	f.Publisher, err = publisher.Connect(ctx, h.url(), cfg)
	must(t, err)
	ctx, f.cancel = context.WithCancel(context.Background())
	// Owned by the flood; ends with stop, which waits for it.
	go f.run(ctx)
	t.Cleanup(func() {
		f.stop()
		_ = f.Close() // what is unconfirmed then concerns nobody
		if err := f.failed.Load(); err != nil {
			t.Errorf("publishing at full speed: %v", err)
		}
	})
	return f
}

func (f *flood) run(ctx context.Context) {
	defer close(f.ended)
	for {
		began := time.Now()
		err := f.Publish(ctx, "flood", f.payload)
		if took := int64(time.Since(began)); took > f.longest.Load() {
			f.longest.Store(took) // by this goroutine alone
		}
		switch {
		case err == nil:
			f.bytes.Add(int64(len(f.payload)))
		case errors.Is(err, publisher.ErrAwayBufferFull):
			select {
			case <-f.resumed:
			case <-ctx.Done():
				return
			}
		case ctx.Err() != nil:
			return
		default:
			f.failed.Store(err)
			return
		}
	}
}

// stop ends the publishing, not the connection.
func (f *flood) stop() {
	f.cancel()
	<-f.ended
}

// awaitMore waits until so many further bytes were published.
func (f *flood) awaitMore(t *testing.T, more int64) {
	t.Helper()
	until := f.bytes.Load() + more
	eventually(t, "publishing at full speed", func() bool { return f.bytes.Load() >= until })
}
