package lesson

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"vigil/heartbeat"
	"vigil/heartbeat/udp"
	"vigil/internal/fault"
)

// Datagrams answers the lesson's first question: does a heartbeat work over UDP,
// too? A plain connected socket and package udp's Prober face a peer that is well,
// one whose process has ended on a host that lives, and one whose host has
// vanished. The zero value of a field is its default.
type Datagrams struct {
	// Method is how silence is judged; nil is heartbeat.Default, within 2 s.
	Method heartbeat.Method
}

func (d Datagrams) withDefaults() Datagrams {
	if d.Method == nil {
		d.Method = heartbeat.Default()
	}
	return d
}

// Length returns how long a run takes.
func (d Datagrams) Length() time.Duration { return d.withDefaults().Method.Bound() + datagramMargin }

// datagramMargin is how long the cases are watched on top of the bound.
const datagramMargin = 2 * time.Second

// DatagramCase is what became of one peer.
type DatagramCase struct {
	Case string `json:"case"`
	// Socket is what a socket of its own learns that sends a datagram behind the
	// fault and waits: "" for nothing; SocketMS when.
	Socket   string   `json:"socket"`
	SocketMS *float64 `json:"socket_ms"`
	// DetectedMS is when the heartbeat knew, behind the fault; null if it did not
	// give the peer up.
	DetectedMS *float64 `json:"detected_ms"`
	BoundMS    float64  `json:"bound_ms"`

	dead bool // whether it is to be given up
}

// Run runs the cases side by side. The process must be isolated
// (fault.RunIsolated).
func (d Datagrams) Run(ctx context.Context) (found []DatagramCase, err error) {
	d = d.withDefaults()
	sw, err := fault.NewSwitch()
	if err != nil {
		return nil, fmt.Errorf("lesson: datagrams: hosts that vanish need network namespaces: %w", err)
	}
	defer func() { err = errors.Join(err, sw.Close()) }()
	cases := []struct {
		DatagramCase
		strike func(*companion) error
	}{
		{DatagramCase{Case: "the peer is well"}, func(*companion) error { return nil }},
		{DatagramCase{Case: "its process has ended", dead: true}, func(c *companion) error { c.host.Kill(); return nil }},
		{DatagramCase{Case: "its host has vanished", dead: true}, func(c *companion) error { return c.host.Drop(fault.Both) }},
	}
	all, err := companions(ctx, sw, len(cases))
	if err != nil {
		return nil, fmt.Errorf("lesson: datagrams: %w", err)
	}
	found = make([]DatagramCase, len(cases))
	errs := make([]error, len(cases))
	var watching sync.WaitGroup
	for n, c := range cases {
		watching.Go(func() {
			c.BoundMS = ms(d.Method.Bound())
			errs[n] = d.watch(ctx, all[n], &c.DatagramCase, c.strike)
			found[n] = c.DatagramCase
		})
	}
	watching.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("lesson: datagrams: %w", err)
	}
	return found, nil
}

// watch lets a Prober and a plain socket face one case.
func (d Datagrams) watch(ctx context.Context, c *companion, result *DatagramCase, strike func(*companion) error) error {
	probed, err := net.Dial("udp", c.address)
	if err != nil {
		return err
	}
	defer probed.Close()
	plain, err := net.Dial("udp", c.address)
	if err != nil {
		return err
	}
	defer plain.Close()
	ctx, cancel := context.WithTimeout(ctx, d.Length()+settle)
	defer cancel()
	verdict := make(chan error, 1)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	// Owned by watch; ends with ctx, and is waited for.
	watching.Go(func() { verdict <- udp.Prober{Method: d.Method}.Watch(ctx, probed) })
	if err := wait(ctx, settle); err != nil {
		return err
	}
	if err := strike(c); err != nil {
		return err
	}
	struck := time.Now()
	if _, err := plain.Write([]byte("anybody there?")); err != nil {
		return err
	}
	if err := plain.SetReadDeadline(struck.Add(d.Method.Bound())); err != nil {
		return err
	}
	if _, err := plain.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		result.Socket, result.SocketMS = cause(err), new(ms(time.Since(struck)))
	}
	err = <-verdict
	if _, dead := errors.AsType[*udp.DeadError](err); dead {
		result.DetectedMS = new(ms(time.Since(struck)))
	} else if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// settle is how long all is well first.
const settle = 300 * time.Millisecond

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// DatagramVerdict returns nil if the heartbeat found every peer that is dead, and
// gave up no other.
func DatagramVerdict(found []DatagramCase) error {
	for _, c := range found {
		if c.dead != (c.DetectedMS != nil) {
			return fmt.Errorf("lesson: datagrams: %s: given up: %v, want %v", c.Case, c.DetectedMS != nil, c.dead)
		}
	}
	return nil
}
