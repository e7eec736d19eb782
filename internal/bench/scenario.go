package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Scenario is one thing that is measured. Its fields are for those who show it.
type Scenario struct {
	// Name is what it is asked for by.
	Name string
	// About says what happens, in a few words.
	About string
	// Counts is what its rate counts.
	Counts string

	// speaks are the protocols in which it makes sense.
	speaks []Protocol
	// quick says that it belongs to a quick run, and named that it is done only
	// if it is asked for by its name.
	quick, named bool
	// most bounds the rounds of what takes long and varies little, 0 for no
	// bound. In a quick run it has one.
	most    int
	options Options
	measure func(context.Context, *target, timing) (sample, error)
	// verify is the round that is not measured, nil for none.
	verify func(context.Context, *target, timing) error
	// extra is about how long a round takes besides its warm-up and window,
	// nil for no time.
	extra func(timing) time.Duration
}

var (
	natsOnly  = []Protocol{NATS}
	brokers   = []Protocol{NATS, RESP}
	withRelay = []Protocol{NATS, RESP, Bytes}
	clients   = []Protocol{Client}
	failovers = []Protocol{Failover}
)

// FailoverScenario is the name of the scenario whose process must be isolated
// (fault.RunIsolated).
const FailoverScenario = "client-failover"

// Scenarios lists all, in the order in which they are run and shown.
func Scenarios() []Scenario {
	return slices.Concat(streams(), latencies(), crowds(), []Scenario{{
		Name: "one-stuck", Counts: "deliveries", speaks: natsOnly, most: 1,
		About:   "100 subscribers, 5000 messages a second, and one of them ceases to read: what the others have",
		measure: measureStuck, extra: always(stuckWarm + stuckCalm + stuckLong),
	}}, ofClients(), []Scenario{{
		Name: FailoverScenario, Counts: "failovers", speaks: failovers, named: true,
		About: "a client's node of a cluster of three vanishes without a FIN: how long until it is connected to another one; only if named; everything then runs in network namespaces",
		extra: always(failoverTime),
	}})
}

// ofFailovers reports whether s is of clients whose node vanishes.
func (s Scenario) ofFailovers() bool { return slices.Contains(s.speaks, Failover) }

// The roles of a client.
const (
	RoleLoop     = "loop"     // receive in a loop over an iterator
	RoleHandler  = "handler"  // receive with a handler
	RolePublish  = "publish"  // publish without a pause
	RoleRequest  = "request"  // one request at a time
	RoleRequests = "requests" // 64 at a time
)

// ofClients are the scenarios that measure client libraries.
func ofClients() []Scenario {
	client := func(name, counts, role, about string, measure func(context.Context, *target, timing) (sample, error)) Scenario {
		return Scenario{Name: name, Counts: counts, speaks: clients, options: Options{Role: role}, About: about, measure: measure}
	}
	return []Scenario{
		client("client-receive", "messages", RoleLoop,
			"a client library receives 128 bytes in a loop over its iterator: the client's cost", measureClientReceive),
		client("client-handler", "messages", RoleHandler,
			"the same with a handler", measureClientReceive),
		client("client-publish", "messages", RolePublish,
			"a client library publishes 128 bytes: the client's cost", measureClientPublish),
		client("client-request", "requests", RoleRequest,
			"a client library asks, one request at a time: the client's cost, latency", measureClientRequest),
		client("client-64-requests", "requests", RoleRequests,
			"the same, 64 at a time", measureClientRequest),
	}
}

// streams are the scenarios of publishers that publish as fast as they can.
func streams() []Scenario {
	return []Scenario{
		stream("1-to-1-16B", "one publisher, one subscriber, 16 bytes", withRelay, true,
			func() flow { return one(1, 1, 16) }),
		stream("1-to-1-128B", "the same, 128 bytes", withRelay, true,
			func() flow { return one(1, 1, 128) }),
		stream("1-to-1-1KiB", "the same, 1 KiB", withRelay, true,
			func() flow { return one(1, 1, 1<<10) }),
		stream("1-to-1-64KiB", "the same, 64 KiB", withRelay, false,
			func() flow { return one(1, 1, 64<<10) }),
		stream("1-to-100", "one publisher, 100 subscribers that each receive everything, 128 bytes", brokers, true,
			func() flow { return one(1, 100, 128) }),
		stream("10-to-1", "ten publishers, one subscriber, 128 bytes", brokers, true,
			func() flow { return one(10, 1, 128) }),
		stream("4-to-4", "four publishers, four subscribers that each receive everything, 128 bytes", brokers, true,
			func() flow { return one(4, 4, 128) }),
		stream("1-to-nobody", "one publisher, nobody subscribed, 128 bytes", brokers, true,
			func() flow { return one(1, 0, 128) }),
		stream("1000-subjects", "1000 subjects by turns, one subscriber with a subscription for each, 128 bytes", brokers, true,
			func() flow { return manySubjects(1000, 128) }),
		stream("100k-wildcard", "100,000 wildcard subscriptions of one subscriber, as many subjects in random order that match one each, 128 bytes", natsOnly, false,
			func() flow { return manyWildcards(100_000, 128) }),
		stream("queue-of-8", "one publisher, a queue group of eight, 128 bytes", natsOnly, false, queueFlow),
		stream("headers", "one publisher, one subscriber, 128 bytes behind headers", natsOnly, false, headerFlow),
	}
}

// stream is the scenario of a flow. That is built when it is needed, since some
// have many subjects.
func stream(name, about string, speaks []Protocol, quick bool, build func() flow) Scenario {
	f := sync.OnceValue(build)
	return Scenario{
		Name: name, About: about, Counts: "deliveries", speaks: speaks, quick: quick,
		measure: func(ctx context.Context, t *target, timing timing) (sample, error) {
			return f().measure(ctx, t, timing)
		},
		verify: func(ctx context.Context, t *target, timing timing) error {
			return f().verify(ctx, t, timing)
		},
	}
}

// queueFlow shares messages out to a queue group.
func queueFlow() flow {
	f := one(1, 8, 128)
	f.queue = "workers"
	return f
}

// headerFlow has a header block in front of every payload.
func headerFlow() flow {
	f := one(1, 1, 128)
	f.header = "NATS/1.0\r\nTrace: 0123456789abcdef\r\nContent-Type: text/plain\r\n\r\n"
	return f
}

// latencies are the scenarios of requests and replies.
func latencies() []Scenario {
	return []Scenario{{
		Name: "request-reply", Counts: "requests", speaks: natsOnly, quick: true,
		About:   "one request at a time, 16 bytes there and back: latency",
		measure: measureExchange,
	}, {
		Name: "request-busy", Counts: "deliveries", speaks: natsOnly, quick: true,
		About:   "the same beside a flow that takes all it can get: the flow's rate and cost, the requests' latency",
		measure: measureBeside,
	}}
}

// crowds are the scenarios of many connections and of many subscriptions.
func crowds() []Scenario {
	return []Scenario{{
		Name: "idle", Counts: "connections", speaks: natsOnly, quick: true, most: 3,
		About:   "15,000 idle connections with a subscription each, or as many as the descriptor limit allows: memory each",
		measure: measureIdle, extra: crowdTime(3 * time.Second),
	}, {
		Name: "client-pings", Counts: "pings", speaks: natsOnly, most: 3,
		About:   "the same connections, each sending a PING once a second",
		measure: measureClientPings, extra: crowdTime(4 * time.Second),
	}, {
		Name: "broker-pings", Counts: "pings", speaks: natsOnly, most: 3,
		About:   "the same connections, each sent a PING by the broker once a second",
		options: Options{PingInterval: pingedEvery},
		measure: measureBrokerPings, extra: crowdTime(4 * time.Second),
	}, {
		Name: "connects", Counts: "connections", speaks: natsOnly, quick: true,
		About:   "connect, subscribe, disconnect, eight clients at a time",
		measure: measureChurn,
	}, {
		Name: "subscriptions", Counts: "subscriptions", speaks: natsOnly, most: 3,
		About:   "a million subscriptions of ten clients, all different: memory each",
		measure: measureSubscriptions, extra: massTime,
	}}
}

// crowdTime is how long it takes to gather a crowd, and more.
func crowdTime(more time.Duration) func(timing) time.Duration {
	return func(t timing) time.Duration { return time.Duration(t.crowd)*250*time.Microsecond + more }
}

// massTime is how long it takes to enter the subscriptions, and to settle.
func massTime(t timing) time.Duration {
	return time.Duration(t.subscriptions)*3*time.Microsecond + 4*time.Second
}

// always is the same however short a run.
func always(d time.Duration) func(timing) time.Duration {
	return func(timing) time.Duration { return d }
}

// Choose returns the scenarios of those names, in their own order; for none, those
// of a quick run, or all but those that have to be named.
func Choose(names []string, quick bool) ([]Scenario, error) {
	all := Scenarios()
	known := make([]string, len(all))
	for i, s := range all {
		known[i] = s.Name
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("unknown scenario %q: want %s", name, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(all, func(s Scenario) bool {
		if len(names) > 0 {
			return !slices.Contains(names, s.Name)
		}
		return s.named || quick && !s.quick
	}), nil
}
