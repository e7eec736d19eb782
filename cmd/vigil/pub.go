package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/cli"
	"vigil/internal/subject"
	"vigil/publisher"
)

// maxLine bounds a line of standard input, in bytes: the largest payload that
// a broker can be configured to take.
const maxLine = 64 << 20

// sourceFlags say what messages there are to send.
type sourceFlags struct {
	headers []string
	count   int
	every   time.Duration
}

func (f *sourceFlags) register(cmd *cobra.Command, what string) {
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.headers, "header", "H", nil, "add a header, `key:value`; may be repeated")
	flags.IntVar(&f.count, "count", 1, what+" this `many` times, 0 is for ever")
	flags.DurationVar(&f.every, "every", 0, "`time` between messages")
	flags.DurationVar(&f.every, "sleep", 0, "`time` between messages, as --every")
}

// source returns the header and what returns each payload; io.EOF is the end.
func (f *sourceFlags) source(cmd *cobra.Command, to string, args []string) (publisher.Header, func() ([]byte, error), error) {
	if err := subject.Check(to); err != nil {
		return nil, nil, &cli.UsageError{Err: err}
	}
	if f.count < 0 || f.every < 0 {
		return nil, nil, cli.Usagef("--count and --every: want 0 or more")
	}
	header, err := parseHeaders(f.headers)
	if err != nil {
		return nil, nil, err
	}
	data := ""
	if len(args) > 0 {
		data = args[0]
	}
	if data != "-" {
		return header, repeat(data, f.count), nil
	}
	if cmd.Flags().Changed("count") {
		return nil, nil, cli.Usagef("--count: standard input has as many messages as lines")
	}
	f.count = 0
	return header, lines(cmd.InOrStdin()), nil
}

// each calls send with each payload, at the pace asked for.
func (f *sourceFlags) each(ctx context.Context, next func() ([]byte, error), send func(data []byte) error) error {
	var tick <-chan time.Time
	if f.every > 0 {
		ticker := time.NewTicker(f.every)
		defer ticker.Stop()
		tick = ticker.C
	}
	for first := true; ; first = false {
		data, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if tick != nil && !first {
			select {
			case <-tick:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := send(data); err != nil {
			return err
		}
	}
}

type pubFlags struct {
	clientFlags
	sourceFlags
	reply   string
	timeout time.Duration
}

func pubCommand() *cobra.Command {
	var f pubFlags
	cmd := &cobra.Command{
		Use:     "pub SUBJECT [DATA|-]",
		Aliases: []string{"publish"},
		Short:   "Publish DATA, or each line of standard input",
		Long: `Publish DATA to SUBJECT; with - each line of standard input is a message, without
DATA the message is empty. {n} in DATA is replaced by the message's number; so
are {{Count}}, {{Time}}, {{TimeStamp}}, {{Unix}}, {{UnixNano}} and {{ID}}.

While there is no connection, messages are kept in a bounded buffer and sent
when the broker is back. It ends when the broker has confirmed the last one.`,
		Example: `  vigil pub orders.new hello
  vigil pub orders.new hello -H 'Trace-Id: 7' --reply orders.answers
  vigil pub ticks 'tick {n}' --every 100ms --count 0
  tail -f log | vigil pub logs -`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0], args[1:]) },
	}
	f.clientFlags.register(cmd)
	f.sourceFlags.register(cmd, "publish")
	flags := cmd.Flags()
	flags.StringVar(&f.reply, "reply", "", "`subject` for replies")
	flags.DurationVar(&f.timeout, "timeout", 0, "how `long` to wait at the end for the broker to confirm, 0 is for ever")
	return cmd
}

func (f *pubFlags) run(cmd *cobra.Command, to string, args []string) error {
	header, next, err := f.source(cmd, to, args)
	if err != nil {
		return err
	}
	if f.reply != "" {
		if err := subject.Check(f.reply); err != nil {
			return cli.Usagef("--reply: %v", err)
		}
	}
	if f.timeout < 0 {
		return cli.Usagef("--timeout %v: want 0 or more", f.timeout)
	}
	conn, err := f.connection()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	pub, err := conn.publisher(ctx, "vigil pub")
	if err != nil {
		return err
	}
	defer pub.Close()
	shown := newProgress(f.console, f.count)
	defer shown.end()
	m := publisher.Msg{Subject: to, Reply: f.reply, Header: header}
	err = f.each(ctx, next, func(data []byte) error {
		m.Data = data
		err := pub.PublishMsg(ctx, &m)
		if err == nil {
			shown.step()
		}
		return err
	})
	if err != nil {
		return err
	}
	ctx, cancel := bounded(ctx, f.timeout)
	defer cancel()
	if err := pub.Flush(ctx); err != nil {
		return fmt.Errorf("wait for the broker to confirm: %w", err)
	}
	return nil
}

// repeat returns data with what it asks for filled in, count times, 0 for ever.
func repeat(data string, count int) func() ([]byte, error) {
	n := 0
	return func() ([]byte, error) {
		if n == count && count > 0 {
			return nil, io.EOF
		}
		n++
		return []byte(fill(data, n, time.Now())), nil
	}
}

// lines returns the lines of r one by one.
func lines(r io.Reader) func() ([]byte, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	return func() ([]byte, error) {
		if scanner.Scan() {
			return scanner.Bytes(), nil
		}
		if err := scanner.Err(); err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		return nil, io.EOF
	}
}
