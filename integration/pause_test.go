package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"vigil/heartbeat"
	"vigil/internal/fault"
	"vigil/subscriber"
)

// clientEnv makes this binary a subscriber at the broker with this URL, which
// tells its events on standard error.
const clientEnv = "VIGIL_INTEGRATION_CLIENT"

// subscribe is the child's side of startClient.
func subscribe(url string) int {
	fault.ExitWithParent()
	sub, err := subscriber.Connect(context.Background(), url, subscriber.Config{
		OnEvent: func(e subscriber.Event) { fmt.Fprintln(os.Stderr, e) },
	})
	if err == nil {
		_, err = sub.SubscribeFunc("numbers", func(*subscriber.Msg) {})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("subscribed")
	<-sub.Done()
	return 0
}

// startClient starts a subscriber in a process of its own, which can be stopped
// and starved, and returns what it tells.
func startClient(t *testing.T, h *host) (*fault.Process, *transcript) {
	t.Helper()
	told := new(transcript)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := fault.StartProcess(ctx, fault.Command{Env: []string{clientEnv + "=" + h.url()}, Stderr: told})
	must(t, err)
	t.Cleanup(p.Kill)
	return p, told
}

// A client that is stopped itself takes the broker for dead neither then nor
// when it goes on.
func TestClientIsPaused(t *testing.T) {
	t.Parallel()
	pauses := []time.Duration{time.Second, 3 * time.Second, 12 * time.Second}
	if *long {
		pauses = append(pauses, time.Minute)
	}
	each(t, []fault.Mode{onLoopback}, func(t *testing.T, mode fault.Mode, broker string) {
		for _, pause := range pauses {
			t.Run(pause.String(), func(t *testing.T) {
				t.Parallel()
				h := newHost(t, mode, broker)
				idle, told := startClient(t, h)
				spell(t, time.Second)
				must(t, idle.Pause(pause))
				spell(t, 2*promise)
				if n := told.count("lost"); n > 0 {
					t.Errorf("%d losses:\n%s", n, told)
				}
			})
		}
	})
}

// A broker that vanished while the client was stopped is found within one bound
// of its going on.
func TestBrokerVanishesDuringAPause(t *testing.T) {
	t.Parallel()
	each(t, []fault.Mode{fault.PacketsDropped}, func(t *testing.T, mode fault.Mode, broker string) {
		h := newHost(t, mode, broker)
		client, told := startClient(t, h)
		spell(t, time.Second)
		must(t, client.Freeze())
		spell(t, 500*time.Millisecond)
		h.vanish(t)
		spell(t, 3*time.Second)
		must(t, client.Thaw())
		resumed := time.Now()
		told.awaitLine(t, 0, "lost", "stale")
		took := time.Since(resumed)
		if allowed := heartbeat.Default().Bound() + 200*time.Millisecond + starvation.between(resumed, time.Now()); took > allowed {
			t.Errorf("found %v after the client went on, want %v:\n%s", took, allowed, told)
		}
		t.Logf("found %v after the client went on", took)
	})
}

// A client that gets two hundredths of a processor is late with everything, and
// its broker is alive.
func TestClientIsStarved(t *testing.T) {
	t.Parallel()
	length := 15 * time.Second
	if *long {
		length = time.Minute
	}
	each(t, []fault.Mode{onLoopback}, func(t *testing.T, mode fault.Mode, broker string) {
		h := newHost(t, mode, broker)
		client, told := startClient(t, h)
		starved, err := client.Starve(0.02)
		if unsupported, ok := errors.AsType[*fault.UnsupportedError](err); ok {
			t.Skipf("UNSUPPORTED: %v", unsupported)
		}
		must(t, err)
		spell(t, length)
		must(t, starved.End())
		if n := told.count("lost"); n > 0 {
			t.Errorf("%d losses in %v:\n%s", n, length, told)
		}
		t.Logf("in %v: %d suspicions, no loss", length, told.count("suspect"))
	})
}
