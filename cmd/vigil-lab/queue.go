package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/cli"
	"vigil/internal/fault"
	"vigil/internal/lab"
)

// maxRate is what the lab's feed can do beside everything else on this machine.
const maxRate = 5000

const queueHelp = `A queue group of four members on each broker, every member and every broker on
a host of its own. The host of one member vanishes without a FIN, and the broker
goes on handing it its share of the work until it notices: what is lost by then
is counted.

With --json, standard output has one object a line for each broker.

  broker, mode, members, per_s
  window_s        how long the run went on after the host vanished
  taken           messages that the broker confirmed to the publisher, from 5 s
                  before the host vanished
  lost            those of them that no member handled
  twice           those that were handled more than once
  last_lost_ms    from the vanishing to the last message lost; null if none was
  still_losing    whether that was still going on at the end of the run
  computed_ms     if so: when it ends at the latest, and
  computed_lost   how much is lost by then, computed from the broker's settings
                  and the rate; otherwise null

It needs Linux with network namespaces. Exit status: 0 if Vigil's broker stopped
in time, 1 if not or if the lab failed, 2 for a command line that cannot be
obeyed, 130 if interrupted.`

func queueCommand() *cobra.Command {
	var queue lab.Queue
	var asJSON bool
	var rate int
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "What a queue group loses when a member's host vanishes",
		Long:  queueHelp,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if queue.Window < 0 || queue.Window > maxWindow {
				return cli.Usagef("length %v: want up to %v", queue.Window, maxWindow)
			}
			if rate < 1 || rate > maxRate {
				return cli.Usagef("rate %d: want 1 to %d", rate, maxRate)
			}
			queue.Interval = time.Second / time.Duration(rate)
			return isolated(func() error { return measureQueue(cmd.Context(), queue, asJSON) })
		},
	}
	cmd.Flags().DurationVar(&queue.Window, "length", 0, "how long to go on after the host vanished (default 1m0s)")
	cmd.Flags().IntVar(&rate, "rate", 20, "messages a second for the whole group")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line and nothing else on standard output")
	return cmd
}

func measureQueue(ctx context.Context, queue lab.Queue, asJSON bool) error {
	if err := fault.Isolation(); err != nil {
		return fmt.Errorf("dropping a member's packets: %w", err)
	}
	out, live := io.Writer(os.Stdout), cli.Terminal(os.Stdout)
	if asJSON {
		out, live = io.Discard, false
	}
	coloured()
	queue.Announce(out)
	timeline := lab.NewTimeline(out, live, queue.Length())
	queue.Tell = timeline.Tell
	stop := ticking(timeline)
	losses, err := queue.Run(ctx)
	stop()
	if err != nil {
		return err
	}
	if asJSON {
		if err := lab.WriteLossesJSON(os.Stdout, losses); err != nil {
			return err
		}
		return lab.QueueVerdict(losses)
	}
	fmt.Fprintln(out)
	lab.WriteLosses(out, losses)
	return lab.QueueVerdict(losses)
}

// ticking keeps a timeline's progress line going until stop is called.
func ticking(timeline *lab.Timeline) (stop func()) {
	ended := make(chan struct{})
	var wg sync.WaitGroup
	// Owned by the caller; ends with stop, which waits for it.
	wg.Go(func() {
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				timeline.End()
				return
			case <-tick.C:
				timeline.Tick()
			}
		}
	})
	return func() { close(ended); wg.Wait() }
}

// memberCommand is how the lab starts members of the queue group.
func memberCommand() *cobra.Command {
	return &cobra.Command{
		Use:    lab.MemberCommand + " ADDRESS",
		Short:  "Take a share of the work; prints a word when subscribed, then what was done on standard error",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return lab.Member(cmd.Context(), args[0], os.Stdout, os.Stderr)
		},
	}
}
