package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"vigil/internal/fault"
)

// way is one way in which a broker vanishes, or only seems to.
type way struct {
	name string
	// about says in a few words what happens.
	about string
	// when completes "would be deaf when ...", for a fault that is silent.
	when string
	// dead is set if it is right to give up the connection, otherwise a loss is
	// a false alarm.
	dead bool
	// hard is set where nobody who watches one TCP connection can promise to
	// raise no false alarm: Vigil is not judged by it.
	hard bool
	// right are words of which the cause of a loss must have one to be right;
	// none if dead is not set.
	right []string
	// atBroker is set if it happens to the broker or its host, and otherwise to
	// each contender, or its way to the broker, by itself.
	atBroker bool
	// silent is set if nothing ends the connection but who gives it up.
	silent bool
	// acknowledged is set if the broker's kernel goes on acknowledging.
	acknowledged bool
	// unclear is set if it acknowledges for a while, as an orphan of a killed
	// process does that sends its FIN again, or sends, so that it cannot be
	// computed when a contender notices that knows what its kernel does.
	unclear bool
	// varied is set if it is worth trying in all activities.
	varied bool
	// routed is set if the contenders are to stand behind routers.
	routed bool
	// relayed is set if the contenders' links are to be relayed from the
	// beginning: a relay is not put into a link, or taken out, without a gap
	// that a busy machine makes seconds of.
	relayed bool
	// lameDuck is set if the broker is to announce its end.
	lameDuck bool
	// only is the activity that it makes sense with, "" for all.
	only Activity
	// size is how large the messages of the feed are, in bytes, 0 for small.
	size int
	// begin makes it happen, and end undoes it as far as it can be undone: the
	// broker that was gone is there again, with no memory.
	begin func(context.Context, *trial) error
	end   func(context.Context, *trial) error
}

// Words that a cause is recognised by, in the languages of all contenders.
var (
	wordsClosed  = []string{"EOF", "closed by peer", "reset", "lame duck", "server error", "no heartbeat received"}
	wordsReset   = []string{"reset", "aborted"}
	wordsSilence = []string{"host or network gone", "stale connection", "timed out", "i/o timeout", "nobody answers", "unreachable", "no route", "no heartbeat received"}
	wordsFrozen  = []string{"process frozen", "stale connection", "timed out", "i/o timeout", "not reading", "nobody answers", "no heartbeat received"}
)

// Congestion is 4 Mbit/s of messages offered to a link of 1 Mbit/s with a queue
// of a quarter of a second.
const (
	congestedQueue = 30_000
	congestedRate  = 1_000_000
	congestedSize  = 4_000_000 / 8 / int(time.Second/matrixInterval)
)

// errDisturbed is why a trial says nothing: the fault was another than it was
// to be.
var errDisturbed = errors.New("lab: the machine was too busy")

// healthyWay is the control: nothing goes wrong.
const healthyWay = "healthy"

// ways lists all faults in the order of the report.
func ways() []way {
	all := []way{
		{name: healthyWay, about: "nothing happens", varied: true, begin: nothing, end: over},
		{name: "shutdown", about: "the broker is told to end", dead: true, right: wordsClosed, atBroker: true,
			begin: terminated, end: restarted},
		{name: "lame-duck", about: "the broker announces its end and goes 1 to 3 s later", dead: true, right: wordsClosed, atBroker: true, lameDuck: true,
			begin: terminated, end: restarted},
		{name: "kill", about: "SIGKILL; the kernel sends FIN", dead: true, right: wordsClosed, atBroker: true,
			begin: killed, end: restarted},
		{name: "fin-lost", about: "SIGKILL, the FIN is lost; the host answers with RST", dead: true, right: append(wordsReset, wordsClosed...), atBroker: true,
			begin: crashed(fault.FIN), end: restarted},
		{name: "crash-fin-lost", about: "SIGKILL; FIN and RST are lost", when: "its broker crashes and the FIN is lost", dead: true, right: wordsSilence, atBroker: true, silent: true, unclear: true,
			begin: crashed(fault.FIN | fault.RST), end: restarted},
		{name: "power-off", about: "the host is gone, and back at the end", when: "its broker's host loses power", varied: true, dead: true, right: wordsSilence, atBroker: true, silent: true,
			begin: vanished, end: returned},
		{name: "reboot", about: "the host is gone, and back at once without a broker: RST", dead: true, right: append(wordsReset, wordsClosed...), atBroker: true,
			begin: rebooted, end: restarted},
		{name: "reset", about: "a firewall resets the connections", dead: true, right: wordsReset, atBroker: true,
			begin: reset, end: over},
		{name: "freeze", about: "SIGSTOP: its kernel goes on acknowledging", when: "its broker freezes", varied: true, dead: true, right: wordsFrozen, atBroker: true, silent: true, acknowledged: true,
			begin: frozen, end: thawed},
		{name: "zero-window", about: "SIGSTOP under a flood: its kernel takes no more", when: "its broker freezes under a flood", dead: true, right: wordsFrozen, atBroker: true, silent: true, acknowledged: true,
			only: Publishing, begin: frozen, end: thawed},
		{name: "cut", about: "no packet passes, either way", when: "no packet passes any more", dead: true, right: wordsSilence, silent: true,
			begin: cut(fault.Both), end: healed},
		{name: "cut-to-broker", about: "no packet passes to the broker", when: "no packet passes to its broker", varied: true, dead: true, right: append(wordsSilence, "does not hear us"), silent: true, unclear: true,
			begin: cut(fault.FromHost), end: healed},
		{name: "cut-from-broker", about: "no packet passes from the broker", when: "no packet passes from its broker", varied: true, dead: true, right: wordsSilence, silent: true,
			begin: cut(fault.ToHost), end: healed},
		{name: "nat-evicted", about: "a NAT forgets the connections", when: "a NAT forgets its connection", varied: true, dead: true, right: wordsSilence, silent: true, routed: true,
			begin: evicted, end: over},
		{name: "unreachable", about: "a router answers with ICMP host unreachable", when: "a router says that its broker is unreachable", dead: true, right: wordsSilence, silent: true, routed: true,
			begin: rejected, end: admitted},
		{name: "cut-300ms", about: "cut for 0.3 s and healed",
			begin: cutFor(300 * time.Millisecond), end: over},
		{name: "congested", about: "4 Mbit/s of messages for a link of 1 Mbit/s", size: congestedSize,
			begin: impaired(fault.ToHost, fault.Impairment{Rate: congestedRate, Queue: congestedQueue}), end: mended(fault.ToHost, fault.Impairment{})},
		{name: "congested-deep", about: "the same, and half a second of frames wait in its queue", size: congestedSize,
			begin: impaired(fault.ToHost, fault.Impairment{Rate: congestedRate, Queue: fault.DefaultQueue}), end: mended(fault.ToHost, fault.Impairment{})},
		{name: "delay", about: "100 ms each way, ± 80 ms",
			relayed: true,
			begin:   impaired(fault.Both, fault.Impairment{Delay: 100 * time.Millisecond, Jitter: 80 * time.Millisecond}), end: mended(fault.Both, relayed)},
		{name: "slow-reader", about: "the client is stopped for 1.5 s while 2 MB come: its window is zero",
			begin: slowReader, end: over},
		{name: "local-pause", about: "the client is stopped for 3 s",
			begin: paused(3 * time.Second), end: over},
		{name: "starved", about: "the client has 2 % of a processor", hard: true,
			begin: starved, end: fed},
	}
	for _, percent := range []struct {
		name string
		loss float64
		hard bool
	}{{"loss-1", 0.01, false}, {"loss-5", 0.05, false}, {"loss-10", 0.10, true}, {"loss-20", 0.20, true}} {
		all = append(all, way{name: percent.name, about: percent.name[len("loss-"):] + " % of the frames are lost each way", hard: percent.hard,
			begin: impaired(fault.Both, fault.Impairment{Loss: percent.loss}), end: mended(fault.Both, fault.Impairment{})})
	}
	return all
}

// Faults lists the faults of the matrix by name.
func Faults() []string {
	var names []string
	for _, w := range ways() {
		names = append(names, w.name)
	}
	return names
}

// suits reports whether the way can happen to a broker in an activity.
func (w way) suits(broker string, activity Activity) bool {
	if w.only != "" && activity != w.only {
		return false
	}
	switch {
	case broker == NATSCluster && !w.atBroker:
		return false // what happens between a client and a node is the same for a server alone
	case w.name == "freeze":
		return activity != Publishing // that is zero-window
	case w.size > 0 || w.name == "slow-reader":
		return activity == Receiving // it is what they receive that matters
	}
	return true
}

// relayed is a link that is relayed, and otherwise as good as any.
var relayed = fault.Impairment{Delay: time.Millisecond}

func nothing(_ context.Context, t *trial) error {
	t.strike()
	return nil
}

// over is the end of what is over by itself, or cannot be undone.
func over(context.Context, *trial) error { return nil }

// What happens to the broker. The moment that counts is the one in which the
// fault begins to tell: before a signal that ends a process, whose kernel speaks
// at once, and behind the call that has packets dropped or a process stopped,
// which takes its time on a busy machine.

func terminated(_ context.Context, t *trial) error {
	t.stopListening()
	t.strike()
	return t.node.proc.Terminate()
}

func killed(_ context.Context, t *trial) error {
	t.stopListening()
	t.strike()
	t.node.host.Kill()
	return nil
}

func crashed(flags fault.Flags) func(context.Context, *trial) error {
	return func(ctx context.Context, t *trial) error {
		if err := t.node.host.DropFlags(fault.FromHost, flags); err != nil {
			return err
		}
		return killed(ctx, t)
	}
}

func vanished(_ context.Context, t *trial) error {
	if err := t.node.host.Drop(fault.Both); err != nil {
		return err
	}
	t.strike()
	t.node.host.Kill()
	t.stopListening()
	return nil
}

func rebooted(ctx context.Context, t *trial) error {
	if err := vanished(ctx, t); err != nil {
		return err
	}
	return t.bringHostBack()
}

func reset(_ context.Context, t *trial) error {
	theirs := make(map[netip.Addr]bool)
	for _, x := range t.contestants {
		theirs[x.host.Addr()] = true
	}
	t.strike()
	_, err := t.node.host.Reset(func(_, remote netip.AddrPort) bool { return theirs[remote.Addr()] })
	return err
}

func frozen(_ context.Context, t *trial) error {
	if err := t.node.proc.Freeze(); err != nil {
		return err
	}
	t.strike()
	return nil
}

func thawed(_ context.Context, t *trial) error { return t.node.proc.Thaw() }

// restarted starts a new broker on the host.
func restarted(ctx context.Context, t *trial) error {
	select {
	case <-t.node.proc.Done(): // a lame duck takes its time
	case <-time.After(startTimeout):
		t.node.host.Kill()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := t.node.host.Heal(); err != nil {
		return err
	}
	return t.startAgain(ctx)
}

// returned brings the host back, with a new broker on it.
func returned(ctx context.Context, t *trial) error {
	if err := t.bringHostBack(); err != nil {
		return err
	}
	return t.startAgain(ctx)
}

// What happens to each contender: what takes packets away counts from when it
// does, what only disturbs from when it is begun.

func cut(dir fault.Direction) func(context.Context, *trial) error {
	return func(_ context.Context, t *trial) error {
		return t.strikeEach(func(x *contestant) error { return x.host.Drop(dir) })
	}
}

func healed(_ context.Context, t *trial) error {
	return t.each(func(x *contestant) error { return x.host.Heal() })
}

func cutFor(d time.Duration) func(context.Context, *trial) error {
	return func(ctx context.Context, t *trial) error {
		t.strike()
		return t.each(func(x *contestant) error {
			began := time.Now()
			if err := x.host.Drop(fault.Both); err != nil {
				return err
			}
			if err := wait(ctx, d); err != nil {
				return err
			}
			if err := x.host.Heal(); err != nil {
				return err
			}
			if took := time.Since(began); took > 2*d {
				return fmt.Errorf("%w: a cut of %v may have taken %v", errDisturbed, d, took)
			}
			return nil
		})
	}
}

func impaired(dir fault.Direction, im fault.Impairment) func(context.Context, *trial) error {
	return func(_ context.Context, t *trial) error {
		t.strike()
		return t.each(func(x *contestant) error { return x.host.Impair(dir, im) })
	}
}

// mended ends an impairment; what it returns to is left.
func mended(dir fault.Direction, left fault.Impairment) func(context.Context, *trial) error {
	return func(_ context.Context, t *trial) error {
		return t.each(func(x *contestant) error { return x.host.Impair(dir, left) })
	}
}

func evicted(_ context.Context, t *trial) error {
	return t.strikeEach(func(x *contestant) error { return x.host.Router().Evict() })
}

func rejected(_ context.Context, t *trial) error {
	return t.strikeEach(func(x *contestant) error { return x.host.Router().Reject(fault.Both) })
}

func admitted(_ context.Context, t *trial) error {
	return t.each(func(x *contestant) error { return x.host.Router().Reject(0) })
}

func paused(d time.Duration) func(context.Context, *trial) error {
	return func(_ context.Context, t *trial) error {
		t.strike()
		return t.each(func(x *contestant) error { return x.proc.Pause(d) })
	}
}

func slowReader(ctx context.Context, t *trial) error {
	t.strike()
	if err := t.each(func(x *contestant) error { return x.proc.Freeze() }); err != nil {
		return err
	}
	t.feed.flood(2<<20, 20<<10)
	if err := wait(ctx, 1500*time.Millisecond); err != nil {
		return err
	}
	return t.each(func(x *contestant) error { return x.proc.Thaw() })
}

func starved(_ context.Context, t *trial) error {
	t.strike()
	return t.each(func(x *contestant) (err error) { x.starvation, err = x.proc.Starve(0.02); return err })
}

func fed(_ context.Context, t *trial) error {
	return t.each(func(x *contestant) error { return x.starvation.End() })
}
