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

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"vigil/internal/bench"
	"vigil/internal/cli"
	"vigil/internal/fault"
	"vigil/internal/lab"
)

const benchHelp = `Measure Vigil's broker and nats-server side by side: each is started anew for
every round, by turns, and driven by a load generator that checks every byte it
receives. Besides them, a relay that only reads and writes shows the floor that
no broker can pass, and redis-server its publish/subscribe if it is installed.

The scenarios named client-... measure client libraries instead, Vigil's and
nats.go, each in a process of its own with Vigil's broker, against the same load
generator. There "broker" is the library, and processor time and memory are its
process's.

The figure to trust on a busy machine is the broker's own processor time for
each delivered message; the rate depends on what else runs.

%s
With --json, standard output has one object a line for each scenario and broker,
with the medians of the rounds; null is "does not apply".

  scenario, broker, rounds
  counts          what is counted: deliveries, requests, pings, connections ...
  msgs_per_s      how many of them a second
  cpu_us_per_msg  the broker's processor time for each, in microseconds
  p50_us, p99_us  latency
  rss_kib         the most memory that the broker's process had
  kib_per_conn    its memory for each connection or subscription
  size            how many of them there were
  allocs_per_msg  where a client is measured: its allocations for each
  worst_second    beside a stuck subscriber: the least that the others had in a
                  second, as a share of their usual rate; also calm_*, which is
                  before it was stuck, and seconds, one by one
  *_span          the least and the most of the rounds
  noisy           whether the rounds lie more than 30 %% apart
  in_time         where a node of a cluster vanished: in how many rounds the client
                  was connected to another one within its bound and 250 ms, which
                  took p50_us; also p50_us_span
  error           why the broker is out of the scenario, if it is

Then one object for each scenario compares ratio_of with ratio_to, Vigil with
nats-server or nats.go; more than 1 is better: ratio_cpu, ratio_throughput,
ratio_p50, ratio_p99, ratio_memory.

Exit status: 0 if everything was measured, 1 if not, 2 for a command line that
cannot be obeyed, 130 if interrupted.`

type benchFlags struct {
	json, quick  bool
	svg, profile string
	scenarios    []string
	rounds       int

	connections, subscriptions int
}

func benchCommand() *cobra.Command {
	var f benchFlags
	return f.command()
}

// command returns the command whose flags f takes.
func (f *benchFlags) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "What a message costs Vigil's broker, nats-server and others",
		Long:  fmt.Sprintf(benchHelp, scenarioHelp()),
		Args:  cobra.NoArgs,
		RunE:  f.run,
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object a line and nothing else on standard output")
	cmd.Flags().BoolVar(&f.quick, "quick", false, "the core scenarios with short rounds, in less than 50 s")
	cmd.Flags().StringVar(&f.svg, "svg", "", "also draw the results as a bar chart into this file")
	cmd.Flags().StringSliceVar(&f.scenarios, "scenario", nil, "measure only these, separated by commas")
	cmd.Flags().IntVar(&f.rounds, "rounds", 0, "rounds for each scenario and broker (default 5, with --quick 3)")
	cmd.Flags().IntVar(&f.connections, "connections", 0, "idle connections, at most (default 15000, with --quick 2000)")
	cmd.Flags().IntVar(&f.subscriptions, "subscriptions", 0, "subscriptions in the scenario of that name (default 1000000)")
	cmd.Flags().StringVar(&f.profile, "profile", "", "write a CPU profile of Vigil's broker, or client, for each scenario into this directory")
	return cmd
}

// scenarioHelp lists the scenarios.
func scenarioHelp() string {
	var b strings.Builder
	b.WriteString("Scenarios:\n\n")
	for _, s := range bench.Scenarios() {
		for i, line := range strings.Split(text.WrapSoft(s.About, 60), "\n") {
			name := s.Name
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(&b, "  %-20s  %s\n", name, strings.TrimSpace(line))
		}
	}
	return b.String()
}

// Bounds of a run.
const (
	maxRounds = 100 // what somebody would wait for
	// maxConnections is what the ports of one address allow.
	maxConnections = 60_000
	// maxSubscriptions is what fits in the memory of large machines.
	maxSubscriptions = 100_000_000
)

// check returns the run that the flags ask for.
func (f *benchFlags) check(cmd *cobra.Command) (bench.Bench, error) {
	if cmd.Flags().Changed("rounds") && (f.rounds < 1 || f.rounds > maxRounds) {
		return bench.Bench{}, cli.Usagef("rounds %d: want 1 to %d", f.rounds, maxRounds)
	}
	if cmd.Flags().Changed("connections") && (f.connections < 1 || f.connections > maxConnections) {
		return bench.Bench{}, cli.Usagef("connections %d: want 1 to %d", f.connections, maxConnections)
	}
	if cmd.Flags().Changed("subscriptions") && (f.subscriptions < 1 || f.subscriptions > maxSubscriptions) {
		return bench.Bench{}, cli.Usagef("subscriptions %d: want 1 to %d", f.subscriptions, maxSubscriptions)
	}
	if f.quick && f.rounds > 0 {
		return bench.Bench{}, cli.Usagef("--quick has its own number of rounds: leave out --quick or --rounds")
	}
	if cmd.Flags().Changed("scenario") && len(f.scenarios) == 0 {
		f.scenarios = []string{""}
	}
	scenarios, err := bench.Choose(f.scenarios, f.quick)
	if err != nil {
		return bench.Bench{}, &cli.UsageError{Err: err}
	}
	return bench.Bench{
		Contenders: contenders(f.quick), Scenarios: scenarios, Rounds: f.rounds, Quick: f.quick,
		Connections: f.connections, Subscriptions: f.subscriptions, ProfileDir: f.profile,
	}, nil
}

func (f *benchFlags) run(cmd *cobra.Command, _ []string) error {
	b, err := f.check(cmd)
	if err != nil {
		return err
	}
	if slices.Contains(f.scenarios, bench.FailoverScenario) {
		return isolated(func() error { return f.play(cmd.Context(), b) })
	}
	return f.play(cmd.Context(), b)
}

// play runs b in this process and shows it.
func (f *benchFlags) play(ctx context.Context, b bench.Bench) error {
	chart, err := openChart(f.svg)
	if err != nil {
		return err
	}
	defer chart.Close()
	if f.profile != "" {
		if err := os.MkdirAll(f.profile, 0o755); err != nil {
			return fmt.Errorf("profiles: %w", err)
		}
	}
	out := io.Writer(os.Stdout)
	if f.json {
		out = io.Discard
	}
	coloured()
	fmt.Fprintf(out, "Measuring %d scenarios; about %v.\n\n", len(b.Scenarios), b.Length().Round(time.Second))
	var stop func()
	b.Tell, stop = showSteps(os.Stderr, cli.Terminal(os.Stderr))
	results, err := b.Run(ctx)
	stop()
	if err != nil {
		return err
	}
	return errors.Join(f.show(out, b, results), f.draw(chart, b, results))
}

// openChart opens the file of a chart, nil if the name is empty and none was
// asked for: what cannot be written is to be known before everything is measured.
func openChart(name string) (*os.File, error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("chart: %w", err)
	}
	return file, nil
}

// draw writes the chart in place of what was in its file.
func (f *benchFlags) draw(file *os.File, b bench.Bench, results []bench.Result) error {
	if file == nil {
		return nil
	}
	if err := file.Truncate(0); err != nil {
		return fmt.Errorf("chart: %w", err)
	}
	return bench.WriteSVG(file, b, results, ratios(results))
}

// show writes the results in the forms that were asked for.
func (f *benchFlags) show(out io.Writer, b bench.Bench, results []bench.Result) error {
	ratios := ratios(results)
	if f.json {
		if err := bench.WriteJSON(os.Stdout, results, ratios); err != nil {
			return err
		}
	}
	bench.WriteTable(out, results, ratios)
	bench.WriteNotes(out, b, results, ratios)
	return bench.Failure(results)
}

// contenders are all that can be measured; ratios compare the first two.
func contenders(quick bool) []bench.Contender {
	return []bench.Contender{
		{Name: lab.Vigil, Command: served(lab.Vigil)},
		{Name: lab.NATSServer, Command: served(lab.NATSServer)},
		redis(quick),
		{Name: "relay", Protocol: bench.Bytes, Command: func(bench.Options) fault.Command {
			return fault.Command{Args: []string{bench.RelayCommand, anyPort}}
		}},
		{Name: lab.Vigil, Protocol: bench.Client, Command: client(lab.Vigil)},
		{Name: lab.VigilReuse, Protocol: bench.Client, Roles: []string{bench.RoleLoop, bench.RoleHandler}, Command: client(lab.VigilReuse)},
		{Name: lab.VigilResend, Protocol: bench.Client, Roles: []string{bench.RolePublish}, Identifies: true, Command: client(lab.VigilResend)},
		{Name: lab.NATSGo, Protocol: bench.Client, Command: client(lab.NATSGo)},
		{Name: "vigil", Protocol: bench.Failover, FailOver: failOf("vigil")},
		{Name: "vigil-1s", Protocol: bench.Failover, FailOver: failOf("vigil-1s")},
		{Name: "nats.go-1s", Protocol: bench.Failover, FailOver: failOf("nats.go-1s")},
	}
}

// ratios compares Vigil's broker with nats-server, its clients with nats.go, and
// its publisher that resends with the one that does not.
func ratios(results []bench.Result) []bench.Ratio {
	return slices.Concat(bench.Ratios(results, lab.Vigil, lab.NATSServer),
		bench.Ratios(results, lab.Vigil, lab.NATSGo), bench.Ratios(results, lab.VigilReuse, lab.NATSGo),
		bench.Ratios(results, lab.VigilResend, lab.NATSGo), bench.Ratios(results, lab.VigilResend, lab.Vigil),
		bench.Ratios(results, "vigil-1s", "nats.go-1s"))
}

// failOf has the node of a cluster vanish to which the lab's contender of that name
// is connected.
func failOf(name string) func(context.Context) (took, within time.Duration, err error) {
	return func(ctx context.Context) (took, within time.Duration, err error) {
		if err := fault.Isolation(); err != nil {
			return 0, 0, fmt.Errorf("a node vanishes by dropped packets: %w", err)
		}
		return lab.Failover(ctx, name)
	}
}

// client starts this program again as a user of the named client library.
func client(name string) func(bench.Options) fault.Command {
	return func(o bench.Options) fault.Command {
		args := []string{lab.ClientCommand, name, o.Role, o.Broker}
		if o.CPUProfile != "" {
			args = append(args, "--"+cpuProfileFlag, o.CPUProfile)
		}
		return fault.Command{Args: args}
	}
}

// redis is redis-server, if it can be measured and there is time for it.
func redis(quick bool) bench.Contender {
	c := bench.Contender{Name: "redis", Protocol: bench.RESP}
	path, err := bench.FindRedis()
	switch {
	case err != nil:
		c.Missing = err.Error()
	case quick:
		c.Missing = "a quick run has no time for it"
	}
	c.Command = func(bench.Options) fault.Command {
		return fault.Command{Args: []string{bench.RedisCommand, path}}
	}
	return c
}

// anyPort lets the system choose.
const anyPort = "127.0.0.1:0"

// served starts this program again as the named broker.
func served(name string) func(bench.Options) fault.Command {
	return func(o bench.Options) fault.Command {
		args := []string{lab.ServeCommand, name, anyPort}
		if o.PingInterval != 0 {
			args = append(args, "--"+pingIntervalFlag, o.PingInterval.String())
		}
		if o.CPUProfile != "" {
			args = append(args, "--"+cpuProfileFlag, o.CPUProfile)
		}
		return fault.Command{Args: args}
	}
}

// relayCommand is how the bench starts the relay.
func relayCommand() *cobra.Command {
	return &cobra.Command{
		Use:    bench.RelayCommand + " ADDRESS",
		Short:  "Read and write the same bytes; prints its address",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return bench.ServeRelay(args[0], cmd.OutOrStdout())
		},
	}
}

// redisCommand is how the bench starts a redis-server.
func redisCommand() *cobra.Command {
	return &cobra.Command{
		Use:    bench.RedisCommand + " PROGRAM",
		Short:  "Become a redis-server; prints its address",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return bench.BecomeRedis(args[0], cmd.OutOrStdout())
		},
	}
}
