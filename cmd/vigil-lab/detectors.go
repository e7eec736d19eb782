package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"vigil/internal/cli"
	"vigil/internal/qos"
)

const detectorsHelp = `Play failure detectors against models of networks in virtual time, and measure
how soon they find a dead peer, how often they give up a living one, and what
they cost. Nothing is sent, and the figures depend on --seed alone.

%s
With --json, standard output has one object a line for each model and detector:

  model, detector
  td_ms             detection time, from the peer's end to the verdict, in
                    milliseconds: min, mean, p99, max
  mistakes_per_30d  verdicts on a peer that lived
  mistake_ms        how long each lasted, on average; null if there was none
  accuracy          the share of the time in which there was no mistake
  bytes_per_s       what probes and answers cost the network
  simulated_days    how long a living peer was watched

With --svg, the detectors are also compared at an equal rate of heartbeats, with
more and more patience each, in six models or those of --model.

Exit status: 0 if everything was measured, 1 if not, 2 for a command line that
cannot be obeyed, 130 if interrupted.`

type detectorsFlags struct {
	json              bool
	svg               string
	models, detectors []string
	days              float64
	kills             int
	seed              uint64
}

func detectorsCommand() *cobra.Command {
	var f detectorsFlags
	return f.command()
}

// command returns the command whose flags f takes.
func (f *detectorsFlags) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "detectors",
		Short: "How good failure detectors are, in simulated networks",
		Long:  fmt.Sprintf(detectorsHelp, modelHelp()),
		Args:  cobra.NoArgs,
		RunE:  f.run,
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object a line and nothing else on standard output")
	cmd.Flags().StringVar(&f.svg, "svg", "", "also draw mistakes against detection time into this file")
	cmd.Flags().StringSliceVar(&f.models, "model", nil, "only these models, separated by commas")
	cmd.Flags().StringSliceVar(&f.detectors, "detector", nil, "only these detectors, separated by commas")
	cmd.Flags().Float64Var(&f.days, "days", 30, "simulated days in which the peer lives")
	cmd.Flags().IntVar(&f.kills, "kills", 1000, "how often the peer ends")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "of the generator from which all chance is drawn")
	return cmd
}

// modelHelp lists the models and the detectors.
func modelHelp() string {
	var b strings.Builder
	entry := func(name, about string) {
		for i, line := range strings.Split(text.WrapSoft(about, 58), "\n") {
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(&b, "  %-18s %s\n", name, strings.TrimSpace(line))
		}
	}
	b.WriteString("Models:\n\n")
	for _, m := range qos.Models() {
		entry(m.Name, m.About)
	}
	b.WriteString("\nDetectors:\n\n")
	for _, d := range qos.Detectors() {
		entry(d.Name, d.About)
	}
	return b.String()
}

// Bounds of a run: what somebody would wait for.
const (
	maxDays  = 3650
	maxKills = 100_000
)

// detectorsRun is what the flags ask for.
type detectorsRun struct {
	models    []qos.Model
	detectors []qos.Detector
	panels    []qos.Model
	length    qos.Length
}

// check returns it.
func (f *detectorsFlags) check(cmd *cobra.Command) (detectorsRun, error) {
	var r detectorsRun
	if !(f.days > 0 && f.days <= maxDays) {
		return r, cli.Usagef("days %v: want more than 0, up to %d", f.days, maxDays)
	}
	if f.kills < 1 || f.kills > maxKills {
		return r, cli.Usagef("kills %d: want 1 to %d", f.kills, maxKills)
	}
	r.length = qos.Length{Days: f.days, Kills: f.kills, Seed: f.seed}
	r.models, r.detectors, r.panels = qos.Models(), qos.Detectors(), qos.Panels()
	var err error
	if cmd.Flags().Changed("model") {
		r.models, err = chosen("model", f.models, qos.Models(), qos.FindModel, func(m qos.Model) string { return m.Name })
		r.panels = r.models
	}
	if err == nil && cmd.Flags().Changed("detector") {
		r.detectors, err = chosen("detector", f.detectors, qos.Detectors(), qos.FindDetector, func(d qos.Detector) string { return d.Name })
	}
	return r, err
}

// chosen finds what was named.
func chosen[T any](what string, names []string, all []T, find func(string) (T, bool), name func(T) string) ([]T, error) {
	if len(names) == 0 {
		names = []string{""}
	}
	var found []T
	for _, n := range names {
		x, ok := find(n)
		if !ok {
			var known []string
			for _, x := range all {
				known = append(known, name(x))
			}
			return nil, cli.Usagef("unknown %s %q: want %s", what, n, strings.Join(known, ", "))
		}
		found = append(found, x)
	}
	return found, nil
}

func (f *detectorsFlags) run(cmd *cobra.Command, _ []string) error {
	r, err := f.check(cmd)
	if err != nil {
		return err
	}
	chart, err := openChart(f.svg)
	if err != nil {
		return err
	}
	defer chart.Close()
	coloured()
	cells := qos.Cells(r.models, r.detectors)
	charted := 0
	if chart != nil {
		cells = append(cells, qos.FrontierCells(r.panels)...)
		charted = len(cells)
	}
	tell, stop := showCells(os.Stderr, cli.Terminal(os.Stderr), len(cells))
	results, err := qos.Run(cmd.Context(), cells, r.length, tell)
	stop()
	if err != nil {
		return err
	}
	table := len(r.models) * len(r.detectors)
	err = f.show(os.Stdout, results[:table], r.length)
	if charted > 0 {
		err = errors.Join(err, drawFrontiers(chart, qos.Frontiers(r.panels, results[table:]), r.length))
	}
	return err
}

// show writes the results in the form that was asked for.
func (f *detectorsFlags) show(out io.Writer, results []qos.Result, length qos.Length) error {
	if f.json {
		return qos.WriteJSON(out, results)
	}
	qos.WriteTable(out, results)
	qos.WriteNotes(out, length)
	return nil
}

// drawFrontiers writes the chart in place of what was in its file.
func drawFrontiers(file *os.File, frontiers []qos.Frontier, length qos.Length) error {
	if err := file.Truncate(0); err != nil {
		return fmt.Errorf("chart: %w", err)
	}
	return qos.WriteSVG(file, frontiers, length)
}
