package bench

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"vigil/internal/fault"
)

// Protocol is what a contender speaks.
type Protocol int

// The protocols that the load generator speaks.
const (
	NATS     Protocol = iota
	RESP              // Redis's
	Bytes             // the relay's: any
	Client            // none: it is a client of the first contender, and speaks NATS
	Failover          // none: it is a client of a cluster
)

// dialect returns how the load generator speaks p.
func (p Protocol) dialect() dialect {
	switch p {
	case RESP:
		return respDialect{}
	case Bytes:
		return relayDialect{}
	}
	return natsDialect{}
}

// Options are how a contender is to be started, other than by default.
type Options struct {
	// PingInterval is how long a client is silent before the broker pings it.
	// 0 is the broker's default.
	PingInterval time.Duration
	// CPUProfile is the file that the broker writes a profile of its whole life
	// to. "" is none.
	CPUProfile string
	// Role is what a client is to do, and Broker the URL of its broker.
	Role, Broker string
}

// Contender is a broker, or something that is measured like one.
type Contender struct {
	Name     string
	Protocol Protocol
	// Command starts it, as a process that prints its URL once it listens.
	Command func(Options) fault.Command
	// FailOver, of a contender that speaks Failover, has its node of a cluster vanish
	// and returns how long after that it was connected to another one, and within
	// what time it ought to be. It has no Command.
	FailOver func(context.Context) (took, within time.Duration, err error)
	// Roles are those that a client can play; nil is all.
	Roles []string
	// Identifies says that the client gives every message that it publishes an id
	// in a Nats-Msg-Id header, and that the ids rise.
	Identifies bool
	// Missing says why it cannot take part, "" if it can.
	Missing string
}

// target is a contender that runs.
type target struct {
	process *fault.Process
	dialect dialect
	addr    string
	broker  string // a client's broker's address
	meter   meter

	identifies bool // as the contender does
}

// start starts a contender and waits until it listens.
func (c Contender) start(ctx context.Context, o Options) (*target, error) {
	starting, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	p, err := fault.StartProcess(starting, c.Command(o))
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(p.URL())
	if err != nil || u.Host == "" {
		p.Kill()
		return nil, fmt.Errorf("it tells %q, which is no URL", p.URL())
	}
	t := &target{process: p, dialect: c.Protocol.dialect(), addr: u.Host, meter: meter{p.PID()}, identifies: c.Identifies}
	if o.Broker != "" {
		broker, err := url.Parse(o.Broker)
		if err != nil {
			p.Kill()
			return nil, fmt.Errorf("broker: %w", err)
		}
		t.broker = broker.Host
	}
	if err := t.answers(starting); err != nil {
		p.Kill()
		return nil, err
	}
	return t, nil
}

// stop ends the process, and gives it the time to write its profile if it was
// to.
func (t *target) stop(o Options) error {
	defer t.process.Kill()
	if o.CPUProfile == "" {
		return nil
	}
	if err := t.process.Terminate(); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	timer := time.NewTimer(setupTimeout)
	defer timer.Stop()
	select {
	case <-t.process.Done():
		if err := t.process.Err(); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("profile: the broker did not end within %v", setupTimeout)
	}
}
