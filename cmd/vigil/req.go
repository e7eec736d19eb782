package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/cli"
	"vigil/publisher"
)

type reqFlags struct {
	clientFlags
	sourceFlags
	timeout      time.Duration
	replies      int
	replyTimeout time.Duration
	untilEmpty   bool
	raw          bool
}

func reqCommand() *cobra.Command {
	var f reqFlags
	cmd := &cobra.Command{
		Use:     "req SUBJECT [DATA|-]",
		Aliases: []string{"request"},
		Short:   "Send a request and print the reply",
		Long: `Send DATA to SUBJECT and print the first reply; with - each line of standard
input is a request. What can be filled into DATA is told with vigil pub.

With --replies N the first N replies are printed, with 0 all that come. The first
may take as long as --timeout says, and each further one --reply-timeout.

Status 3 says that no reply came in time, fewer than --replies, or no empty one;
status 4 that nobody is subscribed.`,
		Example: `  vigil req time.in paris
  vigil req help '' --raw --timeout 500ms
  vigil req '$SRV.PING' '' --replies 0`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0], args[1:]) },
	}
	f.clientFlags.register(cmd)
	f.registerJSON(cmd)
	f.sourceFlags.register(cmd, "ask")
	flags := cmd.Flags()
	flags.DurationVar(&f.timeout, "timeout", 5*time.Second, "how `long` to wait for the reply, or the first of several")
	flags.IntVar(&f.replies, "replies", 1, "print this `many` replies to each request, 0 for all that come")
	flags.DurationVar(&f.replyTimeout, "reply-timeout", 300*time.Millisecond, "how `long` to wait for each further reply")
	flags.BoolVar(&f.untilEmpty, "wait-for-empty", false, "take replies until one is empty; --replies is 0 then")
	flags.BoolVarP(&f.raw, "raw", "r", false, "print the reply's payload alone, and tell no round-trip time")
	return cmd
}

func (f *reqFlags) run(cmd *cobra.Command, to string, args []string) error {
	header, next, err := f.source(cmd, to, args)
	if err != nil {
		return err
	}
	switch {
	case f.timeout <= 0:
		return cli.Usagef("--timeout %v: want more than 0", f.timeout)
	case f.replies < 0 || f.replyTimeout <= 0:
		return cli.Usagef("--replies %d, --reply-timeout %v: want 0 or more, and more than 0", f.replies, f.replyTimeout)
	case f.untilEmpty && cmd.Flags().Changed("replies"):
		return cli.Usagef("--wait-for-empty takes all replies until an empty one: no --replies")
	case f.raw && f.json:
		return cli.Usagef("--raw prints the payload alone: no --json")
	}
	conn, err := f.connection()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	pub, err := conn.publisher(ctx, "vigil req")
	if err != nil {
		return err
	}
	defer pub.Close()
	out := bufio.NewWriter(os.Stdout)
	m := publisher.Msg{Subject: to, Header: header}
	return f.each(ctx, next, func(data []byte) error {
		m.Data = data
		return f.ask(ctx, pub, &m, out)
	})
}

// ask sends one request and prints what is replied.
func (f *reqFlags) ask(ctx context.Context, pub *publisher.Publisher, m *publisher.Msg, out *bufio.Writer) error {
	want := f.replies
	if f.untilEmpty {
		want = 0
	}
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Ends with its time; stopped before that nothing is left of it.
	timer := time.AfterFunc(f.timeout, func() { cancel(context.DeadlineExceeded) })
	defer timer.Stop()
	start, n := time.Now(), 0
	for reply, err := range pub.Replies(within, m) {
		timer.Stop()
		took := time.Since(start)
		if err != nil {
			return f.explain(err, within, m.Subject, n, want)
		}
		if err := f.print(out, reply, start, took); err != nil {
			return err
		}
		if n++; n == want || f.untilEmpty && len(reply.Data) == 0 {
			return nil
		}
		timer.Reset(f.replyTimeout)
	}
	return nil
}

// explain returns what the end of the replies to a request means, of which n came
// and want were wanted, 0 for all that come.
func (f *reqFlags) explain(err error, within context.Context, subject string, n, want int) error {
	late := errors.Is(err, context.Canceled) && context.Cause(within) == context.DeadlineExceeded
	switch {
	case errors.Is(err, publisher.ErrNoResponders):
		return &cli.StatusError{Status: cli.NoResponders, Err: fmt.Errorf("nobody is subscribed to %s", subject)}
	case !late:
		return err
	case n == 0:
		return &cli.StatusError{Status: cli.Timeout, Err: fmt.Errorf("no reply on %s within %v", subject, f.timeout)}
	case f.untilEmpty:
		return &cli.StatusError{Status: cli.Timeout, Err: fmt.Errorf("%d replies on %s, none of them empty, and none for %v", n, subject, f.replyTimeout)}
	case want > 0:
		return &cli.StatusError{Status: cli.Timeout, Err: fmt.Errorf("%d of %d replies on %s, and none for %v", n, want, subject, f.replyTimeout)}
	}
	return nil
}

// print prints a reply.
func (f *reqFlags) print(out *bufio.Writer, reply *publisher.Msg, start time.Time, took time.Duration) error {
	if f.json {
		r := record{Type: "reply", Time: start.Add(took), Subject: reply.Subject, Header: reply.Header, RTT: ms(took)}
		r.payload(reply.Data)
		out.Write(encode(r))
	} else {
		f.tellReply(reply, took)
		out.Write(reply.Data)
	}
	out.WriteByte('\n') // its error stays: Flush returns it
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write a reply: %w", err)
	}
	return nil
}

// tellReply tells how long a reply took, and its headers.
func (f *reqFlags) tellReply(reply *publisher.Msg, took time.Duration) {
	if f.raw {
		return
	}
	f.tell(time.Now(), fmt.Sprintf("reply in %.3f ms", *ms(took)))
	var keys []string
	for key := range reply.Header {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		for _, value := range reply.Header[key] {
			f.console.Println(key + ": " + value)
		}
	}
}
