package lab

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/nats-io/nats.go"

	"vigil/heartbeat"
)

// contender is one way to be a client of a broker.
type contender struct {
	name string
	// about says in a few words what it does to notice.
	about string
	// worst is when it notices a vanished host at the latest, computed from
	// its settings, and computed says it in words. 0 is never.
	worst    time.Duration
	computed string
	// kernel is set if it knows what its kernel knows and no more.
	kernel bool
	// blocks is set if it cannot look after the connection while the socket is
	// full: then nothing is computed.
	blocks bool
	// only is the broker that it can be a client of, "" for any.
	only string
	// command is what a shell runs, for a program of somebody's own that the lab
	// watches from outside; join is nil then.
	command string
	// natsJS is set for nats.js, which is a program in Node; join is nil then.
	natsJS *natsJSOptions
	// streams is set if it needs a server with JetStream.
	streams bool
	// join connects, subscribes, and tells the part's witness what happens,
	// until the client is closed. Its subscription is in effect when it returns.
	join func(ctx context.Context, p part) (client, error)
}

// part is what a contender is to play.
type part struct {
	addr    string
	witness witness
	// publishes is set if it is to publish as well.
	publishes bool
}

// client is a contender that has joined.
type client interface {
	// publish hands over a message. nil says that it was taken. It is called
	// from one goroutine, and only if the part publishes.
	publish(ctx context.Context, to string, data []byte) error
	// close ends the client without a word to the witness.
	close()
}

// What a system's TCP keep-alive takes when it is switched on and left alone:
// 7200 s of silence, then nine probes 75 s apart.
const systemKeepAlive = 7200*time.Second + 9*75*time.Second

// What Go's dialer sets: the first probe after 15 s of silence, nine probes
// 15 s apart.
const goKeepAlive = 15*time.Second + 9*15*time.Second

// What nats.go's defaults come to at the latest: a PING every 2 min and the
// verdict when the third would be due with two unanswered; 2 min less if the
// host vanished just before a PING.
const natsLatest = 3 * 2 * time.Minute

// contenders lists who takes part in the incident, in the order of the report.
func contenders() []contender {
	return []contender{
		vigilDefault(),
		vigilContender("vigil-lesson", "PING after 10 s, three probes 3 s apart", heartbeat.Lesson().Bound(), heartbeat.Lesson()),
		natsContender("nats.go", "defaults: PING every 2 min, 2 outstanding", natsLatest, "240–360 s"),
		natsFast(),
		keepaliveContender("keepalive-go", "no detection but Go's default TCP keep-alive", goKeepAlive, "135–150 s", net.Dialer{}),
	}
}

func vigilDefault() contender {
	return vigilContender("vigil", "heartbeat, noticed within 2 s by default", heartbeat.Default().Bound(), heartbeat.Default())
}

// adaptiveContender learns how its network is, and keeps an objective.
func adaptiveContender() contender {
	o := heartbeat.Objective{Within: 2 * time.Second}
	return vigilContender("vigil-adaptive", "heartbeat.Objective: within 2 s, a false alarm in 30 days", o.Bound(), o)
}

// phiContender is the detector of many other systems.
func phiContender() contender {
	return vigilContender("phi-accrual", "heartbeat.Phi, with Akka's defaults: threshold 8, 1 s, pause 3 s", heartbeat.Phi{}.Bound(), heartbeat.Phi{})
}

func natsFast() contender {
	return natsContender("nats.go-1s", "PingInterval 1 s, 2 outstanding", 3*time.Second, "2–3 s", natsEvery(time.Second, 2)...)
}

// everybody lists who takes part in the matrix, in the order of the report.
func everybody() []contender {
	all := contenders()
	return []contender{
		all[0],
		vigilContender("vigil-1s", "heartbeat.Within(1 s)", time.Second, heartbeat.Within(time.Second)),
		adaptiveContender(),
		phiContender(),
		all[1],
		all[2],
		all[3],
		natsContender("nats.go-20s", "PingInterval 20 s, 2 outstanding", time.Minute, "40–60 s", natsEvery(20*time.Second, 2)...),
		natsContender("nats.go-flusher", "PingInterval 1 s, FlusherTimeout 1 s, ReconnectOnFlusherError", 3*time.Second, "2–3 s",
			append(natsEvery(time.Second, 2), nats.FlusherTimeout(time.Second), nats.ReconnectOnFlusherError())...),
		jetStreamContender(),
		natsJSContender("nats.js", "the JavaScript client, defaults: PING every 2 min, 2 outstanding", natsLatest, "240–360 s", natsJSOptions{}),
		natsJSContender("nats.js-1s", "pingInterval 1 s, maxPingOut 2", 3*time.Second, "2–3 s", natsJSOptions{PingInterval: 1000, MaxPingOut: 2}),
		all[4],
		keepaliveContender("keepalive-1/1/3", "TCP keep-alive after 1 s, 3 probes 1 s apart", 4*time.Second, "4 s",
			net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 3}}),
		userTimeoutContender(),
		keepaliveContender("none", "no detection at all", 0, "never", net.Dialer{KeepAlive: -1}),
	}
}

// brief returns what an error says without the addresses it says it of.
func brief(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	return err.Error()
}
