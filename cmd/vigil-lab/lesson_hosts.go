package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/cli"
	"vigil/internal/fault"
	"vigil/internal/lesson"
)

// The lesson's experiments that need hosts which vanish, and links that lose frames.

// onHosts runs an experiment that needs hosts which vanish.
func onHosts(out io.Writer, length time.Duration, run func() error) error {
	return isolated(func() error {
		if err := fault.Isolation(); err != nil {
			return fmt.Errorf("hosts that vanish: %w", err)
		}
		coloured()
		fmt.Fprintf(out, "Some %.0f s to go.\n", length.Seconds())
		return run()
	})
}

// textOut is where a command tells what is no JSON.
func textOut(asJSON bool) io.Writer {
	if asJSON {
		return io.Discard
	}
	return os.Stdout
}

func keepAliveCommand() *cobra.Command {
	var k lesson.KeepAlive
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "keepalive",
		Short: "What TCP's own keep-alive finds: a peer that is well, rebooted, or gone",
		Long: `Let TCP keep-alive meet a peer that is well, one that has rebooted, one that
cannot be reached, and one that cannot be reached while something is
unacknowledged: each on a host of its own, with packets really dropped.

With --json, standard output has one object a line for each case:

  case, result      what a pending read returned, "" if it was still waiting
  after_ms          when, behind the last segment that came; null if it waited
  computed_ms       when it is due by the settings; null if never
  segments_sent, segments_received

It needs Linux with network namespaces. Exit status: 0 if each read returned what
TCP has it return, 1 if not, 2 for a command line that cannot be obeyed, 130 if
interrupted.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := k.Validate(); err != nil {
				return cli.Usagef("%w", err)
			}
			out := textOut(asJSON)
			return onHosts(out, k.Length(), func() error {
				found, err := k.Run(cmd.Context())
				if err != nil {
					return err
				}
				lesson.WriteKeepAlive(out, found, cli.Width(os.Stdout))
				if asJSON {
					if err := lesson.WriteJSON(os.Stdout, found.Cases); err != nil {
						return err
					}
				}
				return found.Verdict()
			})
		},
	}
	cmd.Flags().DurationVar(&k.Idle, "idle", 0, "TCP_KEEPIDLE, in whole seconds (default 2s)")
	cmd.Flags().DurationVar(&k.Interval, "interval", 0, "TCP_KEEPINTVL, in whole seconds (default 1s)")
	cmd.Flags().IntVar(&k.Count, "count", 0, "TCP_KEEPCNT (default 3)")
	registerJSON(cmd, &asJSON)
	return cmd
}

func datagramsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "udp",
		Short: "The lesson's first question: does a heartbeat work over UDP, too?",
		Long: `Watch three peers by datagrams: one that is well, one whose process has ended,
and one whose host has vanished; with a plain socket, and with a heartbeat.

With --json, standard output has one object a line for each peer:

  case
  socket, socket_ms  what a plain socket learns, "" for nothing, and when
  detected_ms        when the heartbeat knew, behind the fault; null if it gave
                     nobody up
  bound_ms           when it has to, behind the last answer

It needs Linux with network namespaces. Exit status: 0 if the heartbeat found
both that are dead and gave up no other, 1 if not, 130 if interrupted.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var d lesson.Datagrams
			out := textOut(asJSON)
			return onHosts(out, d.Length(), func() error {
				found, err := d.Run(cmd.Context())
				if err != nil {
					return err
				}
				lesson.WriteDatagrams(out, found, cli.Width(os.Stdout))
				if asJSON {
					if err := lesson.WriteJSON(os.Stdout, found); err != nil {
						return err
					}
				}
				return lesson.DatagramVerdict(found)
			})
		},
	}
	registerJSON(cmd, &asJSON)
	return cmd
}

func probesCommand() *cobra.Command {
	var p lesson.Probes
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "probes",
		Short: "The lesson's second question: what repeated probes cost, and what for",
		Long: `Send probes over links that lose frames, and count how often none of several in a
row is answered though the peer lives; and count what a heartbeat costs a silent
connection.

With --json, standard output has one object a line for each link:

  loss, probes, lost
  mistaken          the shares of 1, 2, 3 and 4 probes in a row that were not
                    answered, and
  computed          the same by (1-(1-loss)²)ⁿ

and then one for each heartbeat over TCP:

  heartbeat, bytes  of a question, and of its answer
  frames, wire      that they take with their acknowledgements, and the bytes of
                    these with Ethernet headers, counted on the link
  every_s           how often a silent connection is asked
  bytes_per_s       what comes of it

It needs Linux with network namespaces. Exit status: 0 if as many went unanswered
as losses that are independent of each other make it, 1 if not, 2 for a command
line that cannot be obeyed, 130 if interrupted.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := p.Validate(); err != nil {
				return cli.Usagef("%w", err)
			}
			out := textOut(asJSON)
			return onHosts(out, p.Length(), func() error {
				found, err := p.Run(cmd.Context())
				if err != nil {
					return err
				}
				lesson.WriteProbes(out, found, cli.Width(os.Stdout))
				if asJSON {
					err = errors.Join(lesson.WriteJSON(os.Stdout, found.Links), lesson.WriteJSON(os.Stdout, found.Costs))
				}
				return errors.Join(err, found.Verdict())
			})
		},
	}
	cmd.Flags().Float64SliceVar(&p.Loss, "loss", nil, "`shares` of the frames that are lost each way")
	cmd.Flags().Lookup("loss").DefValue = "0.1,0.2"
	cmd.Flags().IntVar(&p.Count, "count", 0, "probes to send over each link (default 4000)")
	registerJSON(cmd, &asJSON)
	return cmd
}

// companionCommand is how the lesson's experiments start the other end on a host
// of its own.
func companionCommand() *cobra.Command {
	return &cobra.Command{
		Use:    lesson.CompanionCommand + " ADDRESS",
		Short:  "Send back what comes, over TCP, and answer probes over UDP",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return lesson.Companion(cmd.Context(), args[0], os.Stdout)
		},
	}
}
