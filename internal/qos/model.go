package qos

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Model is a network, and how the two processes at its ends are scheduled.
type Model struct {
	Name, About string

	network func(r *rand.Rand) network
	// Datagrams says that probes are lost one by one.
	datagrams bool

	// Our own process stands still about each pausesEvery; 0 is never.
	pausesEvery time.Duration
	pauseLength delay

	// What a probe and an answer cost as Ethernet frames.
	probeBytes, answerBytes int
}

const (
	// A PING or PONG in TCP over IPv4 with timestamps is 72 bytes, and the
	// acknowledgement of the PONG 66.
	streamProbe, streamAnswer = 72, 72 + 66
	// A probe of package heartbeat/udp and its answer are 58 bytes.
	datagramProbe, datagramAnswer = 58, 58
)

// none is for models without such episodes.
func none() episodes { return episodes{start: never, end: never} }

const ms = time.Millisecond

// Models returns all models.
func Models() []Model {
	var all []Model
	for _, percent := range []int{0, 1, 5, 10, 20, 30} {
		all = append(all, lossyDatagrams(percent))
	}
	for _, percent := range []int{0, 1, 5, 10, 20, 30} {
		all = append(all, lossyStream(percent))
	}
	const trip = 50 * ms
	return append(all,
		delayed("delay-constant", "each round trip takes 50 ms", constant(trip)),
		delayed("delay-exponential", "round trips are exponential, 50 ms on average", exponential(trip)),
		delayed("delay-lognormal", "round trips are log-normal, median 50 ms, sigma 1: one in 700 takes 1 s", logNormal(trip, 1)),
		delayed("delay-pareto", "round trips have a Pareto tail, at least 20 ms, alpha 2: one in 2500 takes 1 s", pareto(20*ms, 2)),
		delayed("jitter", "round trips from 50 to 250 ms, all alike", uniform(50*ms, 250*ms)),
		Model{Name: "loss-bursts", About: "datagrams; once a minute, for 300 ms on average, half of the packets are lost each way (Gilbert–Elliott)",
			network: func(r *rand.Rand) network {
				return &datagrams{rng: r, loss: 0.005, trip: exponential(20 * ms), paused: none(),
					bad: newEpisodes(r, time.Minute, exponential(300*ms)), badly: 0.5}
			}, datagrams: true, probeBytes: datagramProbe, answerBytes: datagramAnswer},
		Model{Name: "congestion", About: "ten times a day, for a minute, answers wait 1 to 4 s behind data, which arrives each 50 ms",
			network: func(r *rand.Rand) network {
				return &congestion{rng: r, trip: 20 * ms, full: newEpisodes(r, day/10, constant(time.Minute)),
					queue: uniform(time.Second, 4*time.Second), every: 50 * ms}
			}, probeBytes: streamProbe, answerBytes: streamAnswer},
		Model{Name: "local-pauses", About: "our own process stands still ten times a day for 1 s",
			network:     func(r *rand.Rand) network { return newStream(r, 0, 20*ms, none()) },
			pausesEvery: day / 10, pauseLength: constant(time.Second), probeBytes: streamProbe, answerBytes: streamAnswer},
		Model{Name: "local-pauses-long", About: "our own process stands still ten times a day for 1 to 60 s",
			network:     func(r *rand.Rand) network { return newStream(r, 0, 20*ms, none()) },
			pausesEvery: day / 10, pauseLength: uniform(time.Second, time.Minute), probeBytes: streamProbe, answerBytes: streamAnswer},
		Model{Name: "peer-pauses", About: "the peer stands still, as when collecting garbage, each 10 min for 200 ms on average",
			network: func(r *rand.Rand) network {
				return newStream(r, 0, 20*ms, newEpisodes(r, 10*time.Minute, exponential(200*ms)))
			}, probeBytes: streamProbe, answerBytes: streamAnswer},
	)
}

// FindModel returns the model of that name.
func FindModel(name string) (Model, bool) {
	for _, m := range Models() {
		if m.Name == name {
			return m, true
		}
	}
	return Model{}, false
}

func lossyDatagrams(percent int) Model {
	return Model{
		Name:  fmt.Sprintf("datagram-%d%%", percent),
		About: fmt.Sprintf("%d %% of datagrams are lost each way, each on its own; round trips exponential, 20 ms on average", percent),
		network: func(r *rand.Rand) network {
			return &datagrams{rng: r, loss: float64(percent) / 100, trip: exponential(20 * ms), bad: none(), paused: none()}
		},
		datagrams: true, probeBytes: datagramProbe, answerBytes: datagramAnswer,
	}
}

func lossyStream(percent int) Model {
	return Model{
		Name:       fmt.Sprintf("stream-%d%%", percent),
		About:      fmt.Sprintf("%d %% of a TCP connection's packets are lost each way; round trip 20 ms", percent),
		network:    func(r *rand.Rand) network { return newStream(r, float64(percent)/100, 20*ms, none()) },
		probeBytes: streamProbe, answerBytes: streamAnswer,
	}
}

func delayed(name, about string, trip delay) Model {
	return Model{Name: name, About: "datagrams; " + about,
		network:   func(r *rand.Rand) network { return &datagrams{rng: r, trip: trip, bad: none(), paused: none()} },
		datagrams: true, probeBytes: datagramProbe, answerBytes: datagramAnswer}
}
