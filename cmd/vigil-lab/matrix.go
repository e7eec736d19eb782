package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/cli"
	"vigil/internal/fault"
	"vigil/internal/lab"
	"vigil/internal/natsjs"
)

const matrixHelp = `Let every way of watching a connection face every way in which a broker can
vanish, or only seem to, on Vigil's broker, on nats-server, and on a cluster of
three nats-servers: how long is each contender deaf, what does it lose, and does
it cry wolf? Each contender is a process on a host of its own.

A contender of your own: nats.go with your settings, or any NATS program, which
is watched from outside:

  vigil-lab matrix --nats-ping-interval 20s --nats-max-pings-out 2
  vigil-lab matrix --exec 'my-consumer --server {url}'

How soon clients of a cluster are on another node when theirs vanishes, and how
many of them within their bound:

  vigil-lab matrix --broker nats-cluster --fault power-off --repeat 20

With --json, standard output has one object a line for each contender, fault,
broker, activity and run: the object of "vigil-lab --json", and

  activity          idle, receiving or publishing
  run               counts repeats from 1
  dead              whether it was right to give up the connection
  fault_ms          how long the fault lasted
  cause_right       whether the cause given fits what happened
  false_alarms      working connections that were given up
  deaf_reported_ms  how long it says that it was deaf
  contradicted      messages that came while it says that it was deaf
  published_lost    messages that it took from its caller and nobody got
  idle_bytes_per_s  what the idle connection cost, where it was counted
  broken            the promise that Vigil's subscriber did not keep, or ""

Exit status: 0 if Vigil's subscriber, with its defaults, kept its promises in
every cell, 1 if not or if a trial failed, 2 for a command line that cannot be
obeyed, 130 if interrupted: what was measured by then is written.`

type matrixFlags struct {
	lab.Matrix
	activities   []string
	json         bool
	csv, html    string
	markdown     string
	svg          string
	pingInterval time.Duration
	maxPingsOut  int
}

func matrixCommand() *cobra.Command {
	var f matrixFlags
	cmd := &cobra.Command{
		Use:   "matrix",
		Short: "Every way to vanish, and who notices",
		Long:  matrixHelp,
		Args:  cobra.NoArgs,
		RunE:  f.run,
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.Faults, "fault", nil, "only these faults: "+strings.Join(lab.Faults(), ", "))
	flags.StringSliceVar(&f.Contenders, "contender", nil, "only these contenders: "+strings.Join(lab.Contenders(), ", "))
	flags.StringSliceVar(&f.Brokers, "broker", nil, "only these brokers: "+strings.Join(lab.MatrixBrokers(), ", "))
	flags.StringSliceVar(&f.activities, "activity", nil, "only these activities: idle, receiving, publishing")
	flags.IntVar(&f.Repeat, "repeat", 1, "how often to do everything")
	flags.BoolVar(&f.Quick, "quick", false, "a first look, within a minute")
	flags.BoolVar(&f.Full, "full", false, "wait until every contender has noticed, for up to a quarter of an hour each")
	flags.DurationVar(&f.Watch, "watch", 0, "time over which false alarms are counted (default 20s; 5s if quick, 60s if full)")
	flags.DurationVar(&f.Outage, "outage", 0, "how long a broker is away at most (default 21s; 5s if quick)")
	flags.DurationVar(&f.pingInterval, "nats-ping-interval", 0, "add nats.go with this PingInterval")
	flags.IntVar(&f.maxPingsOut, "nats-max-pings-out", 2, "and this MaxPingsOutstanding")
	flags.StringArrayVar(&f.Programs, "exec", nil, "add a program of your own; {url} is the broker's URL")
	flags.BoolVar(&f.json, "json", false, "print one JSON object a line and nothing else on standard output")
	flags.StringVar(&f.csv, "csv", "", "write all results to this file as CSV")
	flags.StringVar(&f.html, "html", "", "write a page for others to this file")
	flags.StringVar(&f.markdown, "markdown", "", "write the tables for an incident review to this file")
	flags.StringVar(&f.svg, "svg", "", "write a picture of one fault to this file")
	return cmd
}

// maxRepeat bounds a run to what somebody would wait for.
const maxRepeat = 1000

func (f *matrixFlags) run(cmd *cobra.Command, _ []string) error {
	for _, a := range f.activities {
		f.Activities = append(f.Activities, lab.Activity(a))
	}
	switch {
	case f.Quick && f.Full:
		return cli.Usagef("a quick look and the full time: want one of --quick and --full")
	case f.Repeat < 1 || f.Repeat > maxRepeat:
		return cli.Usagef("repeat %d: want 1 to %d", f.Repeat, maxRepeat)
	case f.Watch < 0 || f.Watch > maxWindow:
		return cli.Usagef("watch %v: want up to %v", f.Watch, maxWindow)
	case f.Outage < 0 || f.Outage > maxOutage:
		return cli.Usagef("outage %v: want up to %v", f.Outage, maxOutage)
	case f.pingInterval < 0 || f.maxPingsOut < 1:
		return cli.Usagef("nats.go with PING every %v, %d outstanding: want more", f.pingInterval, f.maxPingsOut)
	}
	if err := f.findNATSJS(cmd.Context()); err != nil {
		return err
	}
	if f.pingInterval > 0 {
		if f.Contenders == nil {
			f.Contenders = slices.DeleteFunc(lab.Contenders(), func(name string) bool { return f.NATSJS == "" && lab.IsNATSJS(name) })
		}
		f.Contenders = append(f.Contenders, lab.NATSName(f.pingInterval, f.maxPingsOut))
	}
	if err := f.Check(); err != nil {
		return cli.Usagef("%w", err)
	}
	return isolated(func() error { return f.play(cmd.Context()) })
}

// findNATSJS finds nats.js, or fetches it, if it takes part. Behind this the
// process has no network but its own.
func (f *matrixFlags) findNATSJS(ctx context.Context) (err error) {
	wanted := slices.ContainsFunc(f.Contenders, lab.IsNATSJS)
	if !wanted && (f.Quick || f.Contenders != nil) {
		return nil
	}
	f.NATSJS, err = natsjs.Install(ctx)
	if err != nil && !wanted && errors.Is(err, errors.ErrUnsupported) {
		f.Absent = append(f.Absent, fmt.Sprintf("nats.js: %v", err))
		return nil
	}
	return err
}

// play runs the matrix in this process and shows it.
func (f *matrixFlags) play(ctx context.Context) error {
	if err := fault.Isolation(); err != nil {
		return fmt.Errorf("the matrix drops packets: %w", err)
	}
	out, live := io.Writer(os.Stdout), cli.Terminal(os.Stdout)
	if f.json {
		out, live = io.Discard, false
	}
	coloured()
	fmt.Fprintf(out, "Some %v to go.\n", f.Length().Round(time.Second))
	tell, stop := showProgress(out, live)
	f.Tell = tell
	found, err := f.Run(ctx)
	stop()
	if err := f.write(out, found); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	return found.Verdict()
}

// write writes what was found in every form that was asked for.
func (f *matrixFlags) write(out io.Writer, found lab.Findings) error {
	if f.json {
		if err := lab.WriteCellsJSON(os.Stdout, found.Cells); err != nil {
			return err
		}
		for _, s := range found.Skipped {
			fmt.Fprintln(os.Stderr, "skipped:", s)
		}
	}
	lab.WriteFindings(out, found, cli.Width(os.Stdout))
	now := time.Now()
	return errors.Join(
		toFile(f.csv, func(w io.Writer) error { return lab.WriteCellsCSV(w, found.Cells) }),
		toFile(f.html, func(w io.Writer) error { return lab.WriteHTML(w, found, now) }),
		toFile(f.markdown, func(w io.Writer) error { return lab.WriteMarkdown(w, found, now) }),
		toFile(f.svg, func(w io.Writer) error { return lab.WriteSVG(w, found) }),
	)
}

// toFile writes a file, none if its name is "".
func toFile(name string, write func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return errors.Join(write(file), file.Close())
}

// showProgress returns what shows the progress of a matrix, as a bar if out is a
// terminal, which live says, and otherwise not at all. stop removes it.
func showProgress(out io.Writer, live bool) (tell func(lab.Progress), stop func()) {
	show, stop := showBar(out, live)
	return func(p lab.Progress) {
		show(int64(p.Done), int64(p.All), fmt.Sprintf("%v left; %s", p.Left.Round(time.Second), p.What))
	}, stop
}

// contendCommand is how the lab starts contenders as processes of their own.
func contendCommand() *cobra.Command {
	return &cobra.Command{
		Use:    lab.ContendCommand + " NAME ADDRESS [SUBJECT]",
		Short:  "Be a contender; prints a word when subscribed, then what happens on standard error",
		Hidden: true,
		Args:   cobra.RangeArgs(2, 3),
		RunE: func(_ *cobra.Command, args []string) error {
			return lab.Contend(args[0], args[1], strings.Join(args[2:], ""), os.Stdout, os.Stderr)
		},
	}
}

// watchCommand is how the lab watches a program of somebody's own.
func watchCommand() *cobra.Command {
	return &cobra.Command{
		Use:    lab.WatchCommand + " ADDRESS",
		Short:  "Watch this host's connections; prints a word when there is one, then what happens on standard error",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return lab.Watch(cmd.Context(), args[0], os.Stdout, os.Stderr)
		},
	}
}
