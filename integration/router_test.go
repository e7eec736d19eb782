package integration_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vigil/internal/fault"
	"vigil/publisher"
	"vigil/subscriber"
)

// routedHosts numbers the hosts behind routers, above those of sites.
var routedHosts atomic.Int64

// newRouted starts the named broker on a host behind a router.
func newRouted(t *testing.T, broker string) (*host, *fault.Router) {
	t.Helper()
	needPackets(t)
	site, err := fault.NewSite(fault.PacketsDropped) // for its switch, which goes with the last site
	must(t, err)
	t.Cleanup(func() { must(t, site.Close()) })
	neighbour, err := site.Host()
	must(t, err)
	behind, err := neighbour.Switch().NewHostBehindRouter(100 + int(routedHosts.Add(1)))
	if unsupported, ok := errors.AsType[*fault.UnsupportedError](err); ok {
		t.Skipf("UNSUPPORTED: %v", unsupported)
	}
	must(t, err)
	t.Cleanup(func() { must(t, behind.Close()) })
	c := brokerCommand(broker)
	for k, arg := range c.Args {
		c.Args[k] = strings.ReplaceAll(arg, fault.AddrPlaceholder, "0.0.0.0:4222")
	}
	c.Host = behind
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	h := &host{broker: broker, mode: fault.PacketsDropped, addr: net.JoinHostPort(behind.Addr().String(), "4222")}
	h.proc, err = fault.StartProcess(ctx, c)
	must(t, err)
	return h, behind.Router()
}

// A router that forgets a connection leaves both ends deaf, and both well. The
// standby finds that the broker answers others, and takes over.
func TestRouterForgetsTheConnection(t *testing.T) {
	t.Parallel()
	each(t, []fault.Mode{fault.PacketsDropped}, func(t *testing.T, mode fault.Mode, broker string) {
		h, router := newRouted(t, broker)
		l := listen(t, h, subscriber.Config{})
		got := l.collect(t, "numbers", "")
		spell(t, 500*time.Millisecond)
		must(t, router.Evict())
		evicted := time.Now()
		lost := l.diary.await(t, 0, subscriber.EventLost)
		resumed := l.diary.await(t, 0, subscriber.EventResumed)
		checkNoticed(t, "subscriber", lost, evicted)
		checkCause(t, "subscriber", lost, subscriber.CauseHostGone)
		if lost.Loss.Answering != h.url() || resumed.Attempt != 0 {
			t.Errorf("answering %q, attempt %d, want that the standby took over; %v", lost.Loss.Answering, resumed.Attempt, lost.Event)
		}
		t.Logf("%v; back %v later", lost.Event, resumed.At.Sub(lost.At))
		f := startFeed(t, h, publisher.Config{}, "numbers", 1, 0)
		got.await(t, 0)
		f.finish(t)
	})
}

// What the network says of the broker is a hint: a route that is gone for a
// moment costs nothing, and one that stays away is a death like any other.
func TestUnreachableIsAHint(t *testing.T) {
	t.Parallel()
	each(t, []fault.Mode{fault.PacketsDropped}, func(t *testing.T, mode fault.Mode, broker string) {
		h, router := newRouted(t, broker)
		l := listen(t, h, subscriber.Config{})
		l.collect(t, "numbers", "")
		for range 3 {
			spell(t, 300*time.Millisecond)
			must(t, router.Reject(fault.ToHost))
			spell(t, 600*time.Millisecond)
			must(t, router.Reject(0))
			spell(t, time.Second)
		}
		if n := len(l.diary.all(subscriber.EventLost)); n > 0 {
			t.Fatalf("%d losses for a route that came back each time:\n%s", n, &l.diary)
		}
		must(t, router.Reject(fault.ToHost))
		rejected := time.Now()
		lost := l.diary.await(t, 0, subscriber.EventLost)
		checkNoticed(t, "subscriber", lost, rejected)
		checkCause(t, "subscriber", lost, subscriber.CauseHostGone)
		must(t, router.Reject(0))
		l.diary.await(t, 0, subscriber.EventResumed)
	})
}
