package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/cli"
	"vigil/subscriber"
)

type pingFlags struct {
	clientFlags
	count    int
	interval time.Duration
	timeout  time.Duration
}

func pingCommand() *cobra.Command {
	var f pingFlags
	cmd := &cobra.Command{
		Use:     "ping",
		Aliases: []string{"rtt"},
		Short:   "Show round-trip times to the broker, and how the connection is",
		Long: `Send the broker PINGs and show how long each takes, beside the kernel's own
round-trip time (TCP_INFO, on Linux): what a PING takes longer is the broker, or
this process, not the network. TCP loses nothing; what is sent again shows that
the network does.

It goes on through losses of the connection, which are told on standard error.
Status 3 says that no PING was answered.`,
		Example: `  vigil ping
  vigil ping --count 5 --interval 100ms --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context()) },
	}
	f.register(cmd)
	f.registerJSON(cmd)
	flags := cmd.Flags()
	flags.IntVarP(&f.count, "count", "c", 0, "end after this `many`, 0 is never")
	flags.DurationVarP(&f.interval, "interval", "i", time.Second, "`time` between PINGs")
	flags.DurationVar(&f.timeout, "timeout", 5*time.Second, "how `long` to wait for each answer")
	return cmd
}

// maxPingTimes bounds how many round-trip times are kept for the percentiles, the
// latest ones.
const maxPingTimes = 1 << 20

func (f *pingFlags) run(ctx context.Context) error {
	if f.count < 0 || f.interval < 0 || f.timeout <= 0 {
		return cli.Usagef("--count, --interval, --timeout: want 0 or more, and more than 0 to wait")
	}
	conn, err := f.connection()
	if err != nil {
		return err
	}
	sub, err := conn.subscriber(ctx, "vigil ping")
	if err != nil {
		return err
	}
	defer sub.Close()
	var sum pings
	// A ticker of no time cannot be made.
	ticker := time.NewTicker(max(f.interval, time.Nanosecond))
	defer ticker.Stop()
	for sum.sent != f.count || f.count == 0 {
		if sum.sent > 0 {
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			break
		}
		if err := f.ping(ctx, sub, &sum); err != nil {
			return err
		}
	}
	if err := f.summarize(&sum, sub.Status()); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(sum.times) == 0 {
		return &cli.StatusError{Status: cli.Timeout, Err: fmt.Errorf("none of %d PINGs was answered", sum.sent)}
	}
	return nil
}

// ping sends one PING, waits for the answer and prints what came of it.
func (f *pingFlags) ping(ctx context.Context, sub *subscriber.Subscriber, sum *pings) error {
	asked, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	start := time.Now()
	err := sub.Flush(asked)
	took := time.Since(start)
	if ctx.Err() != nil {
		return nil // interrupted: it does not count
	}
	sum.add(took, err)
	s := sub.Status()
	if f.json {
		r := record{Type: "ping", Time: start, Seq: sum.sent, Server: s.Server, State: s.State.String()}
		if err == nil {
			r.RTT = ms(took)
		} else {
			r.Error = pingError(err)
		}
		r.kernel(s.TCP)
		return write(string(encode(r)))
	}
	return write(pingLine(sum.sent, took, err, s))
}

// pingLine returns what is told of one PING.
func pingLine(seq int, took time.Duration, err error, s subscriber.Status) string {
	var b strings.Builder
	fmt.Fprintf(&b, "seq=%d ", seq)
	if err != nil {
		fmt.Fprintf(&b, "no answer: %s", pingError(err))
	} else {
		fmt.Fprintf(&b, "rtt=%.3f ms", *ms(took))
	}
	if s.TCP.Known {
		fmt.Fprintf(&b, " kernel=%.3f ms retransmitted=%d", *ms(s.TCP.RTT), s.TCP.Resent)
	}
	fmt.Fprintf(&b, " %v", s.State)
	return b.String()
}

// pingError says in few words why there was no answer.
func pingError(err error) string {
	if lost, ok := errors.AsType[*subscriber.InterruptedError](err); ok {
		return "connection lost: " + lost.Loss.Cause.String()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	return err.Error()
}

func (f *pingFlags) summarize(sum *pings, s subscriber.Status) error {
	r := sum.record()
	r.Server, r.State = s.Server, s.State.String()
	r.kernel(s.TCP)
	if f.json {
		return write(string(encode(r)))
	}
	text := fmt.Sprintf("\n%s: %d PINGs, %d answered, %.1f %% lost", r.Server, r.Pings, *r.Answered, *r.Loss)
	if r.Min != nil {
		text += fmt.Sprintf("\nrtt min/avg/p50/p99/max = %.3f/%.3f/%.3f/%.3f/%.3f ms", *r.Min, *r.Avg, *r.P50, *r.P99, *r.Max)
	}
	if s.TCP.Known {
		text += fmt.Sprintf("\nkernel's rtt %.3f ms, %d of %d segments retransmitted", *r.KernelRTT, *r.Resent, r.Sent)
	}
	if version := s.TLS; version != "" {
		text += "\n" + version
	}
	return write(text)
}

// kernel sets what the kernel knows.
func (r *record) kernel(tcp subscriber.TCPEvidence) {
	if tcp.Known {
		r.KernelRTT, r.Sent, r.Resent = ms(tcp.RTT), tcp.Sent, new(tcp.Resent)
	}
}

// write writes a line to standard output.
func write(line string) error {
	if _, err := fmt.Fprintln(os.Stdout, line); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// pings adds up PINGs.
type pings struct {
	sent, answered int
	times          []time.Duration // of those answered, the latest maxPingTimes
}

func (p *pings) add(took time.Duration, err error) {
	p.sent++
	if err != nil {
		return
	}
	if len(p.times) < maxPingTimes {
		p.times = append(p.times, took)
	} else {
		p.times[p.answered%maxPingTimes] = took
	}
	p.answered++
}

// record returns the summary.
func (p *pings) record() record {
	r := record{Type: "summary", Pings: p.sent, Answered: new(p.answered), Loss: new(0.0)}
	if p.sent > 0 {
		*r.Loss = 100 * float64(p.sent-p.answered) / float64(p.sent)
	}
	if len(p.times) == 0 {
		return r
	}
	sorted := slices.Sorted(slices.Values(p.times))
	sum := time.Duration(0)
	for _, t := range sorted {
		sum += t
	}
	// Nearest rank: the smallest value that as many are not above.
	rank := func(percent int) *float64 { return ms(sorted[(len(sorted)*percent+99)/100-1]) }
	r.Min, r.Max, r.Avg = ms(sorted[0]), ms(sorted[len(sorted)-1]), ms(sum/time.Duration(len(sorted)))
	r.P50, r.P99 = rank(50), rank(99)
	return r
}
