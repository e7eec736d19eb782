package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/cli"
	"vigil/internal/lesson"
)

const lessonHelp = `The exercise that Vigil grew from: a client and a server with a heartbeat, over
TCP. After 10 s of silence the client sends a PING, then two more 3 s apart; 3 s
later the connection is dead. The server sleeps before it answers.

Alone, the two experiments run beside each other: a server that sleeps for 60 s,
which the client gives up, and one that sleeps for 5 s, which it does not. Each
end of them, by itself, talks to the lesson's C programs too:

  vigil-lab lesson server --sleep 5
  vigil-lab lesson client 127.0.0.1

With --json, standard output has one object a line for each experiment:

  sleep_s, scale
  heartbeats, answers  PINGs that the client sent, PONGs that it received
  dead             whether it gave the server up
  dead_after_ms    when, behind the last byte that it heard; null if not
  due_ms           when that is due by the lesson's times
  pauses           how often, before it gave up, its own process had not been
                   running, so that it asked anew
  processed_ms     how long another client took, while the server slept, to
                   connect and to have its message processed
  bytes            between the client and the server

Exit status: 0 if both went as the lesson says, 1 if not, 2 for a command line
that cannot be obeyed, 130 if interrupted.`

func lessonCommand() *cobra.Command {
	var scale float64
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "lesson",
		Short: "The lesson that Vigil grew from: its client, its server, its experiments",
		Long:  lessonHelp,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runLesson(cmd.Context(), scale, asJSON) },
	}
	registerScale(cmd, &scale)
	registerJSON(cmd, &asJSON)
	cmd.AddCommand(lessonServerCommand(), lessonClientCommand(), keepAliveCommand(), datagramsCommand(), probesCommand())
	return cmd
}

func registerScale(cmd *cobra.Command, scale *float64) {
	cmd.Flags().Float64Var(scale, "scale", 1, "multiply all times with this: 0.1 makes ten seconds one")
}

func registerJSON(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print one JSON object a line and nothing else on standard output")
}

func checkScale(scale float64) error {
	if err := lesson.CheckScale(scale); err != nil {
		return cli.Usagef("%w", err)
	}
	return nil
}

// runLesson runs both experiments beside each other.
func runLesson(ctx context.Context, scale float64, asJSON bool) error {
	if err := checkScale(scale); err != nil {
		return err
	}
	out := io.Writer(os.Stdout)
	if asJSON {
		out = io.Discard
	}
	all := []lesson.Experiment{{Sleep: lesson.LongSleep, Scale: scale}, {Sleep: lesson.ShortSleep, Scale: scale}}
	var heads []string
	for _, e := range all {
		heads = append(heads, fmt.Sprintf("sleeps %v s", e.Sleep.Seconds()))
	}
	longest := max(all[0].Length(), all[1].Length())
	fmt.Fprintf(out, "PING after 10 s of silence, three of them, 3 s apart; one server sleeps for %v s\nbefore it answers, the other for %v s. All times × %v; some %.0f s to go.\n\n",
		all[0].Sleep.Seconds(), all[1].Sleep.Seconds(), scale, longest.Seconds())
	columns := lesson.NewColumns(out, cli.Width(os.Stdout), heads...)
	outcomes, errs := make([]lesson.Outcome, len(all)), make([]error, len(all))
	var running sync.WaitGroup
	for k, e := range all {
		running.Go(func() {
			e.Tell = func(l lesson.Line) { columns.Tell(k, l) }
			outcomes[k], errs[k] = e.Run(ctx)
		})
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Fprintln(out)
	lesson.WriteOutcomes(out, outcomes, cli.Width(os.Stdout))
	if asJSON {
		if err := lesson.WriteJSON(os.Stdout, outcomes); err != nil {
			return err
		}
	}
	return errors.Join(outcomes[0].Verdict(), outcomes[1].Verdict())
}

func lessonServerCommand() *cobra.Command {
	var server lesson.Server
	var host string
	var port int
	cmd := &cobra.Command{
		Use:   "server",
		Short: "The lesson's server",
		Long: `Serve the lesson's clients until interrupted: answer each PING after --sleep, and
ask clients that have been silent for 20 s. The lines are the lesson's; from the
second client on they begin with its number.`,
		Example: "  vigil-lab lesson server --sleep 60",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkScale(server.Scale); err != nil {
				return err
			}
			if server.Sleep < 0 {
				return cli.Usagef("sleep %v: want 0 or more", server.Sleep)
			}
			if port < 0 || port > 65535 {
				return cli.Usagef("port %d: want 0 to 65535", port)
			}
			l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
			if err != nil {
				return fmt.Errorf("%w; --port takes another one, 0 any that is free", err)
			}
			fmt.Printf("listening on %v\n", l.Addr())
			server.Say = func(client int, text string) {
				if client > 1 {
					text = fmt.Sprintf("[%d] %s", client, text)
				}
				fmt.Println(text)
			}
			return server.Serve(cmd.Context(), l)
		},
	}
	cmd.Flags().Var(&sleepFlag{&server.Sleep}, "sleep", "how long to sleep before a PING is answered, in seconds or as 5s")
	cmd.Flags().IntVar(&port, "port", lesson.DefaultPort, "where to listen, 0 is any that is free")
	cmd.Flags().StringVar(&host, "host", "", "address to listen on (default all)")
	registerScale(cmd, &server.Scale)
	return cmd
}

// sleepFlag takes a duration, or seconds as the lesson's server does.
type sleepFlag struct{ d *time.Duration }

func (f *sleepFlag) String() string {
	if f.d == nil {
		return ""
	}
	return f.d.String()
}

func (f *sleepFlag) Type() string { return "duration" }

func (f *sleepFlag) Set(s string) error {
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		*f.d = time.Duration(n) * time.Second
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("want seconds, or a duration such as 1m30s")
	}
	*f.d = d
	return nil
}

func lessonClientCommand() *cobra.Command {
	var client lesson.Client
	var port int
	var send []int
	cmd := &cobra.Command{
		Use:   "client HOST",
		Short: "The lesson's client",
		Long: `Connect to the lesson's server, and stay until it is dead.

Exit status: 1 if it is dead, closed the connection or speaks something else, 2 for
a command line that cannot be obeyed, 130 if interrupted.`,
		Example: "  vigil-lab lesson client 127.0.0.1 --scale 0.1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkScale(client.Scale); err != nil {
				return err
			}
			if port < 1 || port > 65535 {
				return cli.Usagef("port %d: want 1 to 65535", port)
			}
			for _, t := range send {
				if lesson.Type(t) != lesson.Type1 && lesson.Type(t) != lesson.Type2 {
					return cli.Usagef("send %d: want %d or %d", t, int(lesson.Type1), int(lesson.Type2))
				}
				client.Send = append(client.Send, lesson.Type(t))
			}
			host, err := hostOf(args[0])
			if err != nil {
				return err
			}
			client.Say = func(text string) { fmt.Println(text) }
			err = client.Run(cmd.Context(), net.JoinHostPort(host, strconv.Itoa(port)))
			if _, dead := errors.AsType[*lesson.DeadError](err); dead || errors.Is(err, lesson.ErrClosed) {
				return &cli.StatusError{Status: cli.Failed} // a line has said so
			}
			return err
		},
	}
	cmd.Flags().IntVar(&port, "port", lesson.DefaultPort, "where the server listens")
	cmd.Flags().IntSliceVar(&send, "send", nil, "messages to send first: 11 for TYPE1, 21 for TYPE2")
	registerScale(cmd, &client.Scale)
	return cmd
}

// hostOf returns the host that an argument names: by a name, or by an address, of
// IPv6 with brackets or without.
func hostOf(arg string) (string, error) {
	host := arg
	if inner, ok := strings.CutPrefix(arg, "["); ok && strings.HasSuffix(inner, "]") {
		host = strings.TrimSuffix(inner, "]")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return host, nil
	}
	if arg == "" || strings.ContainsAny(arg, ":[] /") {
		return "", cli.Usagef("host %q: want a name or an address; --port takes the port", arg)
	}
	return arg, nil
}
