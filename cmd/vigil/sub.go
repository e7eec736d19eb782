package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/cli"
	"vigil/internal/subject"
	"vigil/subscriber"
)

type subFlags struct {
	clientFlags
	queue string
	count int
	wait  time.Duration
	raw   bool
	times bool
}

func subCommand() *cobra.Command {
	var f subFlags
	cmd := &cobra.Command{
		Use:     "sub SUBJECT...",
		Aliases: []string{"subscribe"},
		Short:   "Print what is published; connection events go to standard error",
		Long: `Print what is published to each SUBJECT, a line per message: the subject in
brackets, then the payload. SUBJECT may have wildcards: * for one token, > for
the rest.

What happens to the connection is told on standard error: connected, suspect,
lost with its cause, resumed with the span in which the subscriber was deaf.
It reconnects for ever.

With --json a message is an object with type, time, subject, reply, header,
status and data, or base64 when the payload is no UTF-8; what is empty is left
out. An event has type, time, event, server, text, and what else is known of it:
cause, deaf_from, deaf_to, unconfirmed, attempt, error.

With --wait and --count, status 3 says that not enough came in time.`,
		Example: `  vigil sub 'orders.>' 'returns.>'
  vigil sub 'orders.>' --json | jq .data
  vigil sub ready --count 1 --wait 5s --raw`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args) },
	}
	f.register(cmd)
	f.registerJSON(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&f.queue, "queue", "q", "", "join this queue `group`: each message goes to one member")
	flags.IntVar(&f.count, "count", 0, "end after this `many` messages, 0 is never")
	flags.DurationVar(&f.wait, "wait", 0, "end after this `time` without a message, 0 is never")
	flags.BoolVarP(&f.raw, "raw", "r", false, "print the payload alone")
	flags.BoolVarP(&f.times, "timestamp", "t", false, "print the time at which a message came")
	return cmd
}

func (f *subFlags) check(patterns []string) error {
	for _, p := range patterns {
		if err := subject.CheckPattern(p); err != nil {
			return &cli.UsageError{Err: err}
		}
	}
	switch {
	case strings.ContainsAny(f.queue, " \t\r\n"):
		return cli.Usagef("--queue %q: want a name without blanks", f.queue)
	case f.count < 0:
		return cli.Usagef("--count %d: want 0 or more", f.count)
	case f.wait < 0:
		return cli.Usagef("--wait %v: want 0 or more", f.wait)
	case f.raw && (f.times || f.json):
		return cli.Usagef("--raw prints the payload alone: no --timestamp and no --json")
	}
	return nil
}

func (f *subFlags) run(ctx context.Context, patterns []string) error {
	if err := f.check(patterns); err != nil {
		return err
	}
	conn, err := f.connection()
	if err != nil {
		return err
	}
	sub, err := conn.subscriber(ctx, "vigil sub")
	if err != nil {
		return err
	}
	defer sub.Close()
	var subs []*subscriber.Subscription
	for _, pattern := range patterns {
		s, err := f.subscribe(sub, pattern)
		if err != nil {
			return err
		}
		subs = append(subs, s)
	}
	return f.print(ctx, subs)
}

func (f *subFlags) subscribe(sub *subscriber.Subscriber, pattern string) (*subscriber.Subscription, error) {
	if f.queue == "" {
		return sub.Subscribe(pattern)
	}
	return sub.Subscribe(pattern, subscriber.Queue(f.queue))
}

// Why printing ended, when it was not for an error.
var (
	errEnough = errors.New("enough messages")
	errQuiet  = errors.New("no message for as long as --wait says")
)

// print writes messages until there were enough, none came for too long, or ctx
// ends.
func (f *subFlags) print(ctx context.Context, subs []*subscriber.Subscription) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := printer{flags: f, out: bufio.NewWriter(os.Stdout)}
	if f.wait > 0 {
		p.quiet = time.AfterFunc(f.wait, func() { cancel(errQuiet) })
		defer p.quiet.Stop()
	}
	var loops sync.WaitGroup
	for _, s := range subs {
		// Owned by this call. Ends with ctx; waited for below.
		loops.Go(func() {
			for m, err := range s.Messages(ctx) {
				if err == nil {
					err = p.print(m, s.Pending() == 0)
				}
				if err != nil {
					cancel(err) // the first counts
					return
				}
			}
		})
	}
	loops.Wait()
	err := context.Cause(ctx)
	switch {
	case errors.Is(err, errEnough):
		return nil
	case errors.Is(err, errQuiet) && f.count == 0:
		return nil
	case errors.Is(err, errQuiet):
		return &cli.StatusError{Status: cli.Timeout, Err: fmt.Errorf("%d of %d messages: %w", p.n, f.count, err)}
	}
	return err
}

// printer writes the messages of several subscriptions to standard output.
type printer struct {
	flags *subFlags
	quiet *time.Timer // ends the printing, nil for never

	mu sync.Mutex

	// Guarded by mu.
	out *bufio.Writer
	n   int
}

// print writes a message, and all so far when idle says that nothing more waits,
// so that a reader sees each at once. It returns errEnough with the last one.
func (p *printer) print(m *subscriber.Msg, idle bool) error {
	f := p.flags
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.count > 0 && p.n == f.count {
		return errEnough
	}
	p.n++
	if p.quiet != nil {
		p.quiet.Reset(f.wait)
	}
	switch {
	case f.raw:
	case f.json:
		p.out.Write(encode(messageOf(m, time.Now())))
	case f.times:
		fmt.Fprintf(p.out, "%s [%s] ", time.Now().Format(clock), m.Subject)
	default:
		fmt.Fprintf(p.out, "[%s] ", m.Subject)
	}
	if !f.json {
		p.out.Write(m.Data)
	}
	p.out.WriteByte('\n') // its error stays: Flush returns it
	enough := p.n == f.count
	if enough || idle {
		if err := p.out.Flush(); err != nil {
			return fmt.Errorf("write a message: %w", err)
		}
	}
	if enough {
		return errEnough
	}
	return nil
}
