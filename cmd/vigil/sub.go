package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"vigil/internal/cli"
	"vigil/internal/subject"
	"vigil/subscriber"
)

type subFlags struct {
	clientFlags
	queue string
	count int
}

func subCommand() *cobra.Command {
	var f subFlags
	cmd := &cobra.Command{
		Use:   "sub SUBJECT",
		Short: "Print what is published; connection events go to standard error",
		Long: `Print what is published to SUBJECT, a line per message: the subject in brackets,
then the payload. SUBJECT may have wildcards: * for one token, > for the rest.

What happens to the connection is told on standard error: connected, suspect,
lost with its cause, resumed with the span in which the subscriber was deaf.
It reconnects for ever.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args[0]) },
	}
	f.register(cmd)
	cmd.Flags().StringVarP(&f.queue, "queue", "q", "", "join this queue group: each message goes to one member")
	cmd.Flags().IntVar(&f.count, "count", 0, "end after this many messages, 0 is never")
	return cmd
}

func (f *subFlags) run(ctx context.Context, pattern string) error {
	if err := subject.CheckPattern(pattern); err != nil {
		return &cli.UsageError{Err: err}
	}
	if strings.ContainsAny(f.queue, " \t\r\n") {
		return cli.Usagef("--queue %q: want a name without blanks", f.queue)
	}
	if f.count < 0 {
		return cli.Usagef("--count %d: want 0 or more", f.count)
	}
	beat, err := f.heartbeat()
	if err != nil {
		return err
	}
	sub, err := subscriber.Connect(ctx, f.server, subscriber.Config{Name: "vigil sub", Heartbeat: beat, OnEvent: show})
	if err != nil {
		return connectError(err)
	}
	defer sub.Close()
	s, err := f.subscribe(sub, pattern)
	if err != nil {
		return err
	}
	return f.print(ctx, s)
}

func (f *subFlags) subscribe(sub *subscriber.Subscriber, pattern string) (*subscriber.Subscription, error) {
	if f.queue == "" {
		return sub.Subscribe(pattern)
	}
	return sub.Subscribe(pattern, subscriber.Queue(f.queue))
}

// print writes messages until there were enough or ctx ends. Output is flushed
// whenever nothing more waits, so that a reader sees each message at once.
func (f *subFlags) print(ctx context.Context, s *subscriber.Subscription) error {
	out := bufio.NewWriter(os.Stdout)
	n := 0
	for msg, err := range s.Messages(ctx) {
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "[%s] %s\n", msg.Subject, msg.Data)
		n++
		if n == f.count || s.Pending() == 0 {
			if err := out.Flush(); err != nil {
				return fmt.Errorf("write a message: %w", err)
			}
		}
		if n == f.count {
			return nil
		}
	}
	return ctx.Err()
}
