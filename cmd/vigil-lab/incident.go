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

func incidentCommand() *cobra.Command {
	var run incidentFlags
	cmd := &cobra.Command{
		Use:   "incident",
		Short: "The incident (what vigil-lab does by itself)",
		Long:  incidentHelp,
		Args:  cobra.NoArgs,
		RunE:  run.run,
	}
	run.register(cmd)
	return cmd
}

const incidentHelp = `Rebuild the incident on Vigil's broker and on nats-server, side by side: the
broker's host vanishes without a FIN, stays away, and comes back empty. Five
subscribers, the contenders, show who notices, when, and what it costs.

With --json, standard output has one object a line for each broker and
contender. Times are milliseconds since the crash; null is "not within the run".

  broker, fault, mode, contender
  detected_ms     the contender knew
  cause           what it gave as the reason, "" if it did not notice
  reconnected_ms  its first new connection after the host was back
  resumed         whether it received from the new broker
  resumed_ms      the first message from the new broker
  missed          messages that a broker took and it never saw
  deaf_ms         from its last message to resumed_ms, or to the end of the run
  computed_ms     if it did not notice by itself: when it would have at the
                  latest, computed from its settings; otherwise null
  uncovered       of the missed, those outside the deaf windows that it
                  reported; null if it reports none
  silence_ms      how long it had heard nothing when it knew, by its own
                  account; null if it gives none

Exit status: 0 if Vigil's subscriber kept its promise on both brokers, 1 if not
or if the lab failed, 2 for a command line that cannot be obeyed, 130 if
interrupted.`

type incidentFlags struct {
	mode   string
	json   bool
	outage time.Duration
}

func (f *incidentFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.mode, "mode", "", "packets-dropped or proxy (default: packets-dropped where the kernel allows it)")
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object a line and nothing else on standard output")
	cmd.Flags().DurationVar(&f.outage, "outage", 0, "how long the host stays away (default 21s)")
}

func (f *incidentFlags) run(cmd *cobra.Command, _ []string) error {
	mode := fault.Mode(f.mode)
	switch mode {
	case "", fault.PacketsDropped, fault.Proxied:
	default:
		return cli.Usagef("unknown mode %q: want %s or %s", f.mode, fault.PacketsDropped, fault.Proxied)
	}
	if f.outage < 0 || f.outage > maxOutage {
		return cli.Usagef("outage %v: want up to %v", f.outage, maxOutage)
	}
	if mode == fault.Proxied {
		return f.play(cmd.Context(), mode)
	}
	return isolated(func() error { return f.play(cmd.Context(), mode) })
}

// maxOutage bounds a run to what somebody would wait for.
const maxOutage = time.Hour

// play runs the incident in this process and shows it.
func (f *incidentFlags) play(ctx context.Context, mode fault.Mode) error {
	mode, reason, err := lab.ChooseMode(mode)
	if err != nil {
		return err
	}
	incident := lab.Incident{Mode: mode, Outage: f.outage}
	out, live := io.Writer(os.Stdout), cli.Terminal(os.Stdout)
	if f.json {
		out, live = io.Discard, false
	}
	coloured()
	incident.Announce(out, reason)
	timeline := lab.NewTimeline(out, live, incident.Length())
	incident.Tell = timeline.Tell
	results, err := watched(ctx, incident, timeline)
	if err != nil {
		return err
	}
	if f.json {
		if err := lab.WriteJSON(os.Stdout, results); err != nil {
			return err
		}
		return lab.Verdict(results)
	}
	fmt.Fprintln(out)
	lab.WriteTable(out, results, mode, cli.Width(os.Stdout))
	return lab.Verdict(results)
}

// watched runs the incident and keeps the progress line going meanwhile.
func watched(ctx context.Context, incident lab.Incident, timeline *lab.Timeline) ([]lab.Result, error) {
	ended := make(chan struct{})
	var wg sync.WaitGroup
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
	results, err := incident.Run(ctx)
	close(ended)
	wg.Wait()
	return results, err
}
