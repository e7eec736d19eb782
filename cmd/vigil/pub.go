package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/cli"
	"vigil/internal/subject"
	"vigil/publisher"
)

// maxLine bounds a line of standard input, in bytes: the largest payload that
// a broker can be configured to take.
const maxLine = 64 << 20

type pubFlags struct {
	clientFlags
	count int
	every time.Duration
}

func pubCommand() *cobra.Command {
	var f pubFlags
	cmd := &cobra.Command{
		Use:   "pub SUBJECT [DATA|-]",
		Short: "Publish DATA, or each line of standard input",
		Long: `Publish DATA to SUBJECT; with - each line of standard input is a message, without
DATA the message is empty. {n} in DATA is replaced by the message's number.

While there is no connection, messages are kept in a bounded buffer and sent
when the broker is back.`,
		Example: `  vigil pub orders.new hello
  vigil pub ticks 'tick {n}' --every 100ms --count 0
  tail -f log | vigil pub logs -`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			data := ""
			if len(args) == 2 {
				data = args[1]
			}
			return f.run(cmd, args[0], data)
		},
	}
	f.register(cmd)
	cmd.Flags().IntVar(&f.count, "count", 1, "publish this many times, 0 is for ever")
	cmd.Flags().DurationVar(&f.every, "every", 0, "time between messages")
	return cmd
}

func (f *pubFlags) run(cmd *cobra.Command, to, data string) error {
	if err := subject.Check(to); err != nil {
		return &cli.UsageError{Err: err}
	}
	if f.count < 0 || f.every < 0 {
		return cli.Usagef("--count and --every: want 0 or more")
	}
	if data == "-" && cmd.Flags().Changed("count") {
		return cli.Usagef("--count: standard input has as many messages as lines")
	}
	beat, err := f.heartbeat()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	pub, err := publisher.Connect(ctx, f.server, publisher.Config{Name: "vigil pub", Heartbeat: beat, OnEvent: show})
	if err != nil {
		return connectError(err)
	}
	defer pub.Close()
	next := repeat(data, f.count)
	if data == "-" {
		next = lines(os.Stdin)
	}
	if err := f.publish(ctx, pub, to, next); err != nil {
		return err
	}
	return pub.Flush(ctx)
}

// publish sends what next returns until that ends.
func (f *pubFlags) publish(ctx context.Context, pub *publisher.Publisher, to string, next func() ([]byte, error)) error {
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
		if err := pub.Publish(ctx, to, data); err != nil {
			return err
		}
	}
}

// repeat returns data with its number filled in, count times, 0 for ever.
func repeat(data string, count int) func() ([]byte, error) {
	n := 0
	return func() ([]byte, error) {
		if n == count && count > 0 {
			return nil, io.EOF
		}
		n++
		return []byte(strings.ReplaceAll(data, "{n}", strconv.Itoa(n))), nil
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
