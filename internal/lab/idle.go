package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"vigil/heartbeat"
	"vigil/internal/fault"
)

// Idle measures what a subscriber's connection costs the network while nothing
// is published: each contender is alone with a broker on a host of its own, and
// the frames on that host's link are counted. The zero value of a field is its
// default.
type Idle struct {
	// Settle is how long the connection is left alone first, for what brokers
	// send to newcomers. 0 is 5 s.
	Settle time.Duration
	// Window is how long is counted. 0 is 30 s.
	Window time.Duration
}

// Cost is what one contender's idle connection to one broker cost.
type Cost struct {
	Broker       string  `json:"broker"`
	Contender    string  `json:"contender"`
	BytesPerS    float64 `json:"bytes_per_s"`
	FramesPerS   float64 `json:"frames_per_s"`
	WindowS      float64 `json:"window_s"`
	contenderSay string
}

// idlers are the contenders of the incident, and Vigil's with other bounds.
func idlers() []contender {
	return append(contenders(),
		vigilContender("vigil-1s", "heartbeat.Within(1 s)", time.Second, heartbeat.Within(time.Second)),
		vigilContender("vigil-10s", "heartbeat.Within(10 s)", 10*time.Second, heartbeat.Within(10*time.Second)),
	)
}

// Length is how long the run takes once its brokers are up.
func (i Idle) Length() time.Duration {
	return orDefault(i.Settle, 5*time.Second) + orDefault(i.Window, 30*time.Second)
}

// Run measures all contenders on all brokers side by side. The process must be
// isolated (fault.RunIsolated).
func (i Idle) Run(ctx context.Context) (costs []Cost, err error) {
	sw, err := fault.NewSwitch()
	if err != nil {
		return nil, fmt.Errorf("lab: counting frames needs network namespaces: %w", err)
	}
	defer func() { err = errors.Join(err, sw.Close()) }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	costs = make([]Cost, len(Brokers())*len(idlers()))
	n := 0
	for _, name := range Brokers() {
		for _, c := range idlers() {
			host, err := sw.NewHost(2 + n)
			if err != nil {
				cancel(err)
				break
			}
			cost := &costs[n]
			n++
			wg.Go(func() {
				if err := i.measure(ctx, host, name, c, cost); err != nil {
					cancel(fmt.Errorf("lab: %s on %s: %w", c.name, name, err))
				}
			})
		}
	}
	wg.Wait()
	return costs, context.Cause(ctx)
}

func (i Idle) measure(ctx context.Context, host *fault.Host, name string, c contender, cost *Cost) error {
	addr := host.Addr().String() + ":4222"
	cmd := fault.Command{Args: []string{ServeCommand, name, addr}, Host: host}
	starting, cancel := context.WithTimeout(ctx, 2*startTimeout)
	defer cancel()
	if _, err := fault.StartProcess(starting, cmd); err != nil {
		return err
	}
	joined, err := c.join(ctx, part{addr: addr, witness: newRecord(c.name, func(string, bool) {})})
	if err != nil {
		return err
	}
	defer joined.close()
	if err := wait(ctx, orDefault(i.Settle, 5*time.Second)); err != nil {
		return err
	}
	began := time.Now()
	frames, bytes, err := host.Traffic()
	if err != nil {
		return err
	}
	if err := wait(ctx, orDefault(i.Window, 30*time.Second)); err != nil {
		return err
	}
	moreFrames, moreBytes, err := host.Traffic()
	if err != nil {
		return err
	}
	window := time.Since(began).Seconds()
	*cost = Cost{
		Broker: name, Contender: c.name, contenderSay: c.about, WindowS: window,
		BytesPerS:  float64(moreBytes-bytes) / window,
		FramesPerS: float64(moreFrames-frames) / window,
	}
	return nil
}

// WriteCostsJSON writes one object a line.
func WriteCostsJSON(w io.Writer, costs []Cost) error {
	enc := json.NewEncoder(w)
	for _, c := range costs {
		if err := enc.Encode(c); err != nil {
			return fmt.Errorf("lab: write costs: %w", err)
		}
	}
	return nil
}

// WriteCosts writes the costs as a table.
func WriteCosts(w io.Writer, costs []Cost) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"broker", "contender", "bytes/s", "frames/s", "what it does"})
	t.SetColumnConfigs([]table.ColumnConfig{
		{Name: "broker", AutoMerge: true},
		{Name: "what it does", WidthMax: 24, WidthMaxEnforcer: text.WrapSoft}, // fits a terminal of 80
	})
	for k, c := range costs {
		if k > 0 && costs[k-1].Broker != c.Broker {
			t.AppendSeparator()
		}
		t.AppendRow(table.Row{c.Broker, c.Contender, fmt.Sprintf("%.1f", c.BytesPerS), fmt.Sprintf("%.2f", c.FramesPerS), c.contenderSay})
	}
	t.Render()
	fmt.Fprintln(w, "Per idle connection, both directions together, Ethernet headers and TCP acknowledgements included; ARP, if any, too.")
}
