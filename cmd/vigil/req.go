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
	timeout time.Duration
	raw     bool
}

func reqCommand() *cobra.Command {
	var f reqFlags
	cmd := &cobra.Command{
		Use:     "req SUBJECT [DATA|-]",
		Aliases: []string{"request"},
		Short:   "Send a request and print the reply",
		Long: `Send DATA to SUBJECT and print the first reply; with - each line of standard
input is a request. What can be filled into DATA is told with vigil pub.

Status 3 says that no reply came in time, status 4 that nobody is subscribed.`,
		Example: `  vigil req time.in paris
  vigil req help '' --raw --timeout 500ms`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0], args[1:]) },
	}
	f.clientFlags.register(cmd)
	f.registerJSON(cmd)
	f.sourceFlags.register(cmd, "ask")
	flags := cmd.Flags()
	flags.DurationVar(&f.timeout, "timeout", 5*time.Second, "how `long` to wait for each reply")
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
	case f.raw && f.json:
		return cli.Usagef("--raw prints the payload alone: no --json")
	}
	conn, err := f.connection()
	if err != nil {
		return err
	}
	if f.InboxPrefix != "" {
		return errors.New("the context has an inbox_prefix, which is not supported for requests")
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

// ask sends one request and prints its reply.
func (f *reqFlags) ask(ctx context.Context, pub *publisher.Publisher, m *publisher.Msg, out *bufio.Writer) error {
	ctx, cancel := bounded(ctx, f.timeout)
	defer cancel()
	start := time.Now()
	reply, err := pub.RequestMsg(ctx, m)
	took := time.Since(start)
	switch {
	case errors.Is(err, publisher.ErrNoResponders):
		return &cli.StatusError{Status: cli.NoResponders, Err: fmt.Errorf("nobody is subscribed to %s", m.Subject)}
	case errors.Is(err, context.DeadlineExceeded):
		return &cli.StatusError{Status: cli.Timeout, Err: fmt.Errorf("no reply on %s within %v", m.Subject, f.timeout)}
	case err != nil:
		return err
	}
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
