package lab

import (
	"context"
	"errors"
	"net"
	"time"

	"vigil/heartbeat"
)

// contender is one way to be a subscriber.
type contender struct {
	name string
	// about says in a few words what it does to notice.
	about string
	// worst is when it notices a vanished host at the latest, computed from
	// its settings, and computed says it in words.
	worst    time.Duration
	computed string
	// listen connects, subscribes, and tells rec what happens, until stop is
	// called. Its subscription is in effect when it returns.
	listen func(ctx context.Context, addr string, rec *record) (stop func(), err error)
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

// contenders lists who takes part, in the order of the report.
func contenders() []contender {
	return []contender{
		vigilContender("vigil", "heartbeat, noticed within 2 s by default", heartbeat.Default()),
		vigilContender("vigil-lesson", "PING after 10 s, three probes 3 s apart", heartbeat.Lesson()),
		natsContender("nats.go", "defaults: PING every 2 min, 2 outstanding", natsLatest, "240–360 s"),
		natsContender("nats.go-1s", "PingInterval 1 s, 2 outstanding", 3*time.Second, "2–3 s", natsFast()...),
		keepaliveContender(),
	}
}

// brief returns what an error says without the addresses it says it of.
func brief(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	return err.Error()
}
