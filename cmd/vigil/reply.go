package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/cli"
	"vigil/internal/subject"
	"vigil/publisher"
	"vigil/subscriber"
)

type replyFlags struct {
	clientFlags
	headers []string
	queue   string
	count   int
	sleep   time.Duration
	echo    bool
	command string
}

// replyQueue is the queue group that the nats tool's responders join.
const replyQueue = "NATS-RPLY-22"

// drainTimeout bounds how long the last replies are waited for.
const drainTimeout = 5 * time.Second

func replyCommand() *cobra.Command {
	var f replyFlags
	cmd := &cobra.Command{
		Use:   "reply SUBJECT [DATA]",
		Short: "Answer requests with DATA, with themselves, or with what a command says",
		Long: `Answer each request on SUBJECT: with DATA, in which the same can be filled in as
with vigil pub; with the request itself; or with the output of a command, when
its status is 0. Requests are answered one by one.

A command is run by the system's shell. It reads the request on standard input,
and its subject is in $NATS_REQUEST_SUBJECT.`,
		Example: `  vigil reply time 'it is {{Time}}'
  vigil reply 'echo.>' --echo
  vigil reply upper --command 'tr a-z A-Z'`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args[0], args[1:]) },
	}
	f.register(cmd)
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.headers, "header", "H", nil, "add a header, `key:value`; may be repeated")
	flags.StringVarP(&f.queue, "queue", "q", replyQueue, "queue `group` to share the requests with, \"\" for none")
	flags.IntVar(&f.count, "count", 0, "end after this `many` requests, 0 is never")
	flags.DurationVar(&f.sleep, "sleep", 0, "wait before each reply, at random up to this `time`")
	flags.BoolVar(&f.echo, "echo", false, "answer with the request")
	flags.StringVar(&f.command, "command", "", "answer with what this `command` says")
	return cmd
}

func (f *replyFlags) run(ctx context.Context, pattern string, args []string) error {
	if err := subject.CheckPattern(pattern); err != nil {
		return &cli.UsageError{Err: err}
	}
	header, err := parseHeaders(f.headers)
	if err != nil {
		return err
	}
	ways := len(args)
	for _, way := range []bool{f.echo, f.command != ""} {
		if way {
			ways++
		}
	}
	switch {
	case ways != 1:
		return cli.Usagef("answer with what? Want one of DATA, --echo and --command")
	case f.count < 0 || f.sleep < 0:
		return cli.Usagef("--count and --sleep: want 0 or more")
	case strings.ContainsAny(f.queue, " \t\r\n"):
		return cli.Usagef("--queue %q: want a name without blanks", f.queue)
	}
	conn, err := f.connection()
	if err != nil {
		return err
	}
	sub, err := conn.subscriber(ctx, "vigil reply")
	if err != nil {
		return err
	}
	defer sub.Close()
	var options []subscriber.Option
	if f.queue != "" {
		options = append(options, subscriber.Queue(f.queue))
	}
	s, err := sub.Subscribe(pattern, options...)
	if err != nil {
		return err
	}
	data := strings.Join(args, "")
	if err := f.answerAll(ctx, s, header, data); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	return sub.Flush(ctx)
}

// answerAll answers until there were enough requests or ctx ends.
func (f *replyFlags) answerAll(ctx context.Context, s *subscriber.Subscription, header publisher.Header, data string) error {
	n := 0
	for m, err := range s.Messages(ctx) {
		if err != nil {
			return err
		}
		if m.Reply == "" {
			continue // no request
		}
		n++
		answer, err := f.answer(ctx, m, data, n)
		if err == nil {
			err = m.RespondMsg(ctx, header, answer)
		}
		if err != nil {
			f.tell(time.Now(), fmt.Sprintf("no reply to a request on %s: %v", m.Subject, err))
		}
		if n == f.count {
			break
		}
	}
	return nil
}

// answer returns what to answer to the nth request.
func (f *replyFlags) answer(ctx context.Context, m *subscriber.Msg, data string, n int) ([]byte, error) {
	if f.sleep > 0 {
		pause := time.NewTimer(rand.N(f.sleep))
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	switch {
	case f.echo:
		return m.Data, nil
	case f.command != "":
		return f.runCommand(ctx, m)
	}
	return []byte(fill(data, n, time.Now())), nil
}

func (f *replyFlags) runCommand(ctx context.Context, m *subscriber.Msg) ([]byte, error) {
	shell := []string{"/bin/sh", "-c"}
	if runtime.GOOS == "windows" {
		shell = []string{"cmd", "/C"}
	}
	cmd := exec.CommandContext(ctx, shell[0], shell[1], f.command)
	cmd.Env = append(os.Environ(), "NATS_REQUEST_SUBJECT="+m.Subject)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(m.Data), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("command: %w", err)
	}
	return out, nil
}
