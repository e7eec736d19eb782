package lesson

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"time"

	"vigil/heartbeat"
	"vigil/internal/fault"
)

// Probes answers the lesson's second question: what do repeated probes cost, and
// what are they for? Datagrams are asked and answered over links that lose some,
// to see how often none of several in a row is answered; and a heartbeat over TCP
// is counted on its link, to see what it costs. The zero value of a field is its default.
type Probes struct {
	// Loss are the shares of the frames that are lost, each way. Nil is 10 and
	// 20 %.
	Loss []float64
	// Count is how many probes are sent over each link. 0 is 4000.
	Count int
}

func (p Probes) withDefaults() Probes {
	if p.Loss == nil {
		p.Loss = []float64{0.1, 0.2}
	}
	if p.Count == 0 {
		p.Count = 4000
	}
	return p
}

const (
	// probeEvery keeps the probes apart.
	probeEvery = time.Millisecond
	// probePatience is how long an answer may take before it counts as lost.
	probePatience = 500 * time.Millisecond
	// mostProbes is up to how many in a row are looked at.
	mostProbes = 4
)

// Validate returns why p makes no sense, or nil.
func (p Probes) Validate() error {
	p = p.withDefaults()
	if len(p.Loss) > maxLinks {
		return fmt.Errorf("lesson: probes: %d links: want up to %d", len(p.Loss), maxLinks)
	}
	for _, loss := range p.Loss {
		if !(loss >= 0 && loss < 1) {
			return fmt.Errorf("lesson: probes: loss %v: want 0 to less than 1", loss)
		}
	}
	if p.Count < mostProbes || p.Count > maxProbes {
		return fmt.Errorf("lesson: probes: count %d: want %d to %d", p.Count, mostProbes, maxProbes)
	}
	return nil
}

// Length returns how long a run takes.
func (p Probes) Length() time.Duration {
	return time.Duration(p.withDefaults().Count)*probeEvery + probePatience + (1+exchanges)*delayedAck
}

// LossyLink is what came of the probes over one link.
type LossyLink struct {
	Loss float64 `json:"loss"`
	// Probes were sent, and Lost of them not answered.
	Probes int `json:"probes"`
	Lost   int `json:"lost"`
	// Mistaken is the share of runs of 1, 2, 3 and 4 probes of which none was
	// answered: how often so many would give up a peer that lives; and Computed
	// the same by (1-(1-loss)²)ⁿ.
	Mistaken [mostProbes]float64 `json:"mistaken"`
	Computed [mostProbes]float64 `json:"computed"`
}

// Cost is what a heartbeat over TCP costs while nothing else is said.
type Cost struct {
	Heartbeat string `json:"heartbeat"`
	// Bytes are those of a question, and of its answer.
	Bytes int `json:"bytes"`
	// Frames is how many frames a question, its answer and their acknowledgements
	// take, and Wire their bytes with Ethernet headers, both counted on the peer's
	// link.
	Frames float64 `json:"frames"`
	Wire   float64 `json:"wire"`
	// EveryS is how often a silent connection is asked, in seconds, and BytesPerS
	// what comes of it, computed.
	EveryS    float64 `json:"every_s"`
	BytesPerS float64 `json:"bytes_per_s"`
}

// ProbeFindings are both.
type ProbeFindings struct {
	Links []LossyLink
	Costs []Cost
}

// exchanges is how many questions the cost is measured with.
const exchanges = 20

// Run measures, over all links side by side. The process must be isolated
// (fault.RunIsolated).
func (p Probes) Run(ctx context.Context) (found ProbeFindings, err error) {
	p = p.withDefaults()
	if err := p.Validate(); err != nil {
		return found, err
	}
	sw, err := fault.NewSwitch()
	if err != nil {
		return found, fmt.Errorf("lesson: probes: links that lose frames need network namespaces: %w", err)
	}
	defer func() { err = errors.Join(err, sw.Close()) }()
	found.Costs = heartbeats()
	all, err := companions(ctx, sw, len(p.Loss)+len(found.Costs))
	if err != nil {
		return found, fmt.Errorf("lesson: probes: %w", err)
	}
	if err := measure(ctx, all[len(p.Loss):], found.Costs); err != nil {
		return found, fmt.Errorf("lesson: probes: cost: %w", err)
	}
	found.Links = make([]LossyLink, len(p.Loss))
	errs := make([]error, len(p.Loss))
	var probing sync.WaitGroup
	for n, loss := range p.Loss {
		probing.Go(func() {
			if errs[n] = all[n].host.Impair(fault.Both, fault.Impairment{Loss: loss}); errs[n] == nil {
				found.Links[n], errs[n] = p.probe(ctx, all[n].address, loss)
			}
		})
	}
	probing.Wait()
	if err := errors.Join(errs...); err != nil {
		return found, fmt.Errorf("lesson: probes: %w", err)
	}
	return found, nil
}

// Bounds of a run: what somebody would wait for, and what a switch has room for.
const (
	maxProbes = 1_000_000
	maxLinks  = 100
)

// The datagrams of package udp: a word and a nonce, which here is a number.
const (
	question   = "VHB?"
	answerWord = "VHB!"
	nonceSize  = 12
)

// probe sends the probes and notes which were answered.
func (p Probes) probe(ctx context.Context, address string, loss float64) (LossyLink, error) {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return LossyLink{}, err
	}
	defer conn.Close()
	answered := make([]bool, p.Count)
	var reading sync.WaitGroup
	// Owned by probe, which closes the socket and waits for it.
	reading.Go(func() {
		buf := make([]byte, 64)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			if k, ok := numberOf(buf[:n]); ok && k < uint64(len(answered)) {
				answered[k] = true
			}
		}
	})
	err = p.ask(ctx, conn)
	conn.Close()
	reading.Wait()
	return tally(loss, answered), err
}

func (p Probes) ask(ctx context.Context, conn net.Conn) error {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for k := range p.Count {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if _, err := conn.Write(probeOf(uint64(k))); err != nil {
			return err
		}
	}
	return wait(ctx, probePatience)
}

// probeOf returns the datagram that asks for the number k.
func probeOf(k uint64) []byte {
	b := append([]byte(question), make([]byte, nonceSize)...)
	binary.BigEndian.PutUint64(b[len(b)-8:], k)
	return b
}

// numberOf returns the number in an answer.
func numberOf(b []byte) (uint64, bool) {
	if len(b) != len(answerWord)+nonceSize || !bytes.HasPrefix(b, []byte(answerWord)) {
		return 0, false
	}
	return binary.BigEndian.Uint64(b[len(b)-8:]), true
}

// tally counts the runs of which nothing was answered.
func tally(loss float64, answered []bool) LossyLink {
	l := LossyLink{Loss: loss, Probes: len(answered)}
	silent, mistaken := 0, [mostProbes]int{}
	for _, ok := range answered {
		if ok {
			silent = 0
			continue
		}
		l.Lost++
		silent++
		for n := range min(silent, mostProbes) {
			mistaken[n]++ // the last n+1 of them
		}
	}
	once := 1 - (1-loss)*(1-loss)
	for n := range mostProbes {
		if runs := len(answered) - n; runs > 0 {
			l.Mistaken[n] = float64(mistaken[n]) / float64(runs)
		}
		l.Computed[n] = math.Pow(once, float64(n+1))
	}
	return l
}

// heartbeats are those whose cost is measured: with the lesson's messages, and with
// NATS' PING and PONG.
func heartbeats() []Cost {
	lesson := clientSchedule(1).Idle.Seconds()
	return []Cost{
		{Heartbeat: "the lesson's, 10 s", Bytes: MessageSize, EveryS: lesson},
		{Heartbeat: "NATS' PING, as often", Bytes: len("PING\r\n"), EveryS: lesson},
		{Heartbeat: "NATS' PING, Vigil's default", Bytes: len("PING\r\n"), EveryS: heartbeat.Default().Idle.Seconds()},
	}
}

// measure completes costs side by side, each with a peer of its own.
func measure(ctx context.Context, peers []*companion, costs []Cost) error {
	errs := make([]error, len(costs))
	var measuring sync.WaitGroup
	for n := range costs {
		measuring.Go(func() { errs[n] = costs[n].measure(ctx, peers[n]) })
	}
	measuring.Wait()
	return errors.Join(errs...)
}

// measure counts what passes to and from a peer with whom nobody else speaks.
func (c *Cost) measure(ctx context.Context, peer *companion) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", peer.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	// After each exchange a pause, so that nothing is acknowledged along with the
	// next question. The first is none of those that count: it ends the opening.
	exchange := func() error {
		if err := echo(conn, make([]byte, c.Bytes)); err != nil {
			return err
		}
		return wait(ctx, delayedAck)
	}
	if err := exchange(); err != nil {
		return err
	}
	frames, octets, err := peer.host.Traffic()
	for range exchanges {
		if err == nil {
			err = exchange()
		}
	}
	if err != nil {
		return err
	}
	nowFrames, nowOctets, err := peer.host.Traffic()
	if err != nil {
		return err
	}
	c.Frames = float64(nowFrames-frames) / exchanges
	c.Wire = float64(nowOctets-octets) / exchanges
	c.BytesPerS = c.Wire / c.EveryS
	return nil
}

// delayedAck is longer than Linux delays an acknowledgement.
const delayedAck = 60 * time.Millisecond

// Verdict returns nil if as many runs of probes went unanswered as losses that are
// independent of each other make it, but for what chance allows.
func (f ProbeFindings) Verdict() error {
	for _, l := range f.Links {
		for n := range mostProbes {
			// Runs overlap: of one that was not answered the next is not either if
			// the probe behind it is not, and so on.
			p, dependence := l.Computed[n], 1.0
			for k := range n {
				dependence += 2 * l.Computed[k]
			}
			deviation := math.Sqrt(p * (1 - p) * dependence / float64(l.Probes))
			// Where hardly any are expected, a few more are chance.
			allowed := 6*deviation + 6/float64(l.Probes)
			if math.Abs(l.Mistaken[n]-p) > allowed {
				return fmt.Errorf("lesson: probes: at %.0f %% loss, of %d in a row none was answered in %s of the cases, want %s ± %s",
					100*l.Loss, n+1, share(l.Mistaken[n]), share(p), share(allowed))
			}
		}
	}
	return nil
}
