package integration_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"vigil/internal/fault"
	"vigil/internal/lab"
)

// onLoopback is a broker on a loopback address, for faults that need no site:
// it can be killed, frozen and started again, but not vanish.
const onLoopback fault.Mode = "loopback"

// host is a broker process and where it runs.
type host struct {
	// Fixed after construction.
	broker string
	mode   fault.Mode
	site   fault.Site // nil on loopback

	proc   *fault.Process
	addr   string // host:port that clients dial
	routes string // of a cluster's member, for routesEnv
	feed   string // the subject that it feeds from within, for feedEnv
}

// newHost starts the named broker, which goes at the end of the test.
func newHost(t *testing.T, mode fault.Mode, broker string) *host {
	t.Helper()
	return newFeedingHost(t, mode, broker, "")
}

// newFeedingHost is newHost with a broker that publishes numbers to a subject
// from within.
func newFeedingHost(t *testing.T, mode fault.Mode, broker, subject string) *host {
	t.Helper()
	h := &host{broker: broker, mode: mode, addr: "127.0.0.1:0", feed: subject}
	if mode == fault.PacketsDropped {
		needPackets(t)
	}
	if mode != onLoopback {
		site, err := fault.NewSite(mode)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { must(t, site.Close()) })
		h.site, h.addr = site, site.Addr()
	}
	h.start(t)
	return h
}

// start starts the broker, at the same address as before.
func (h *host) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := brokerCommand(h.broker)
	if h.routes != "" {
		c.Env = append(c.Env, routesEnv+"="+h.routes)
	}
	if h.feed != "" {
		c.Env = append(c.Env, feedEnv+"="+h.feed)
	}
	var err error
	if h.site != nil {
		h.proc, err = h.site.Start(ctx, c)
		must(t, err)
		return
	}
	for k, arg := range c.Args {
		c.Args[k] = strings.ReplaceAll(arg, fault.AddrPlaceholder, h.addr)
	}
	h.proc, err = fault.StartProcess(ctx, c)
	must(t, err)
	t.Cleanup(h.proc.Kill)
	h.addr = strings.TrimPrefix(h.proc.URL(), "nats://")
}

// url is what clients connect to.
func (h *host) url() string { return "nats://" + h.addr }

// vanish is the incident. It returns when no packet passed any more.
func (h *host) vanish(t *testing.T) (at time.Time) {
	t.Helper()
	must(t, h.site.Vanish())
	return time.Now()
}

// comeBack brings the host back with a new broker on it.
func (h *host) comeBack(t *testing.T) {
	t.Helper()
	must(t, h.site.Return())
	h.start(t)
}

// each runs f as parallel subtests for both brokers in every mode.
func each(t *testing.T, modes []fault.Mode, f func(t *testing.T, mode fault.Mode, broker string)) {
	for _, mode := range modes {
		for _, broker := range lab.Brokers() {
			t.Run(string(mode)+"/"+broker, func(t *testing.T) {
				t.Parallel()
				f(t, mode, broker)
			})
		}
	}
}

// bothModes are the ways to vanish.
var bothModes = []fault.Mode{fault.PacketsDropped, fault.Proxied}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
