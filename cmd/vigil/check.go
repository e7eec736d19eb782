package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/cli"
	"vigil/subscriber"
)

// Statuses of a check, as the Monitoring Plugins' guidelines have them.
const (
	statusOK = iota
	statusWarning
	statusCritical
	statusUnknown
)

var statusNames = [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}

func checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check something for a monitor",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cli.SetUsageStatus(cmd, statusUnknown)
	cmd.AddCommand(checkConnectionCommand())
	return cmd
}

type checkFlags struct {
	clientFlags
	connect, rtt, request limits
	timeout               time.Duration
	format, namespace     string
	outFile               string
}

// limits are from when on a time is bad.
type limits struct{ warn, critical time.Duration }

func checkConnectionCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:     "connection",
		Aliases: []string{"conn"},
		Short:   "Connect, ask and be asked, and say how long each took",
		Long: `Connect to a broker, wait for the answer to a PING, and send a message to
ourselves; say how long each took.

Exit statuses are those of Nagios plugins: 0 all is well, 1 a time is above its
warning threshold, 2 one is above its critical threshold or something failed, 3
the check could not be made. For Prometheus it is 0 when there is a result, whose
metrics are named as those of the nats tool. With --outfile the result goes to a
file, which is replaced at once, as node_exporter's textfile collector wants it.`,
		Example: `  vigil check connection --rtt-warn 50ms --rtt-critical 200ms
  vigil check connection --format prometheus --outfile /var/lib/node_exporter/nats.prom`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context()) },
	}
	cli.SetUsageStatus(cmd, statusUnknown)
	f.register(cmd)
	flags := cmd.Flags()
	for _, l := range []struct {
		limits     *limits
		name, what string
	}{{&f.connect, "connect", "connect"}, {&f.rtt, "rtt", "be answered"}, {&f.request, "req", "get our own message"}} {
		flags.DurationVar(&l.limits.warn, l.name+"-warn", 500*time.Millisecond, "warn when it takes this `long` to "+l.what+", 0 is never")
		flags.DurationVar(&l.limits.critical, l.name+"-critical", time.Second, "critical when it takes this `long` to "+l.what+", 0 is never")
	}
	flags.DurationVar(&f.timeout, "timeout", 5*time.Second, "how `long` the whole check may take")
	flags.StringVar(&f.format, "format", "nagios", "`nagios`, prometheus or json")
	flags.StringVar(&f.namespace, "namespace", "nats_server_check", "what the names of Prometheus' metrics begin with")
	flags.StringVar(&f.outFile, "outfile", "", "write the result to this `file`")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"nagios", "prometheus", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// result is what a check found.
type result struct {
	status int
	notes  []string // why the status is what it is
	took   []timing
}

// timing is a time that a check measured.
type timing struct {
	name, help string
	took       time.Duration
	limits     limits
}

// judge notes a time and what it means.
func (r *result) judge(t timing, what string) {
	r.took = append(r.took, t)
	status, text := statusOK, fmt.Sprintf("%s in %.1f ms", what, *ms(t.took))
	switch l := t.limits; {
	case l.critical > 0 && t.took >= l.critical:
		status, text = statusCritical, fmt.Sprintf("%s, over %v", text, l.critical)
	case l.warn > 0 && t.took >= l.warn:
		status, text = statusWarning, fmt.Sprintf("%s, over %v", text, l.warn)
	}
	r.note(status, text)
}

// note notes what was found; the worst status counts.
func (r *result) note(status int, text string) {
	r.status = max(r.status, status)
	r.notes = append(r.notes, strings.ReplaceAll(text, "\n", "; "))
}

func (f *checkFlags) run(ctx context.Context) error {
	render, ok := map[string]func(result) string{"nagios": nagios, "json": resultJSON,
		"prometheus": func(r result) string { return prometheus(r, f.namespace) }}[f.format]
	switch {
	case !ok:
		return cli.Usagef("--format %q: want nagios, prometheus or json", f.format)
	case f.timeout <= 0:
		return cli.Usagef("--timeout %v: want more than 0", f.timeout)
	}
	conn, err := f.connection()
	if err != nil {
		return &cli.StatusError{Status: statusUnknown, Err: err}
	}
	conn.onEvent = nil // the result says it
	bounded, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	r, err := f.check(bounded, conn)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := f.write(render(r)); err != nil {
		return &cli.StatusError{Status: statusUnknown, Err: err}
	}
	if r.status != statusOK && f.format != "prometheus" {
		return &cli.StatusError{Status: r.status}
	}
	return nil
}

// check makes the check. Its error is a wrong command line; whatever else goes
// wrong is the result.
func (f *checkFlags) check(ctx context.Context, conn connection) (r result, err error) {
	start := time.Now()
	sub, err := conn.subscriber(ctx, "vigil check")
	if _, usage := errors.AsType[*cli.UsageError](err); usage {
		return r, err
	}
	if err != nil {
		r.note(statusCritical, err.Error())
		return r, nil
	}
	defer sub.Close()
	s := sub.Status()
	r.judge(timing{"connect_time", "Time taken to connect, subscriptions confirmed", time.Since(start), f.connect}, "connected to "+s.Server)

	start = time.Now()
	if err := sub.Flush(ctx); err != nil {
		r.note(statusCritical, "PING: "+err.Error())
		return r, nil
	}
	r.judge(timing{"rtt", "Round-trip time of a PING", time.Since(start), f.rtt}, "PING answered")
	if tcp := sub.Status().TCP; tcp.Known {
		r.took = append(r.took, timing{name: "kernel_rtt", help: "Round-trip time that the kernel measures", took: tcp.RTT})
	}

	took, err := toOurselves(ctx, conn, sub, cmp.Or(conn.inboxes, "_INBOX"))
	if err != nil {
		r.note(statusCritical, "a message to ourselves: "+err.Error())
		return r, nil
	}
	r.judge(timing{"request_time", "Time taken by a message to ourselves", took, f.request}, "own message back")
	return r, nil
}

// toOurselves returns how long a message takes from one connection to another,
// to a subject below prefix.
func toOurselves(ctx context.Context, conn connection, sub *subscriber.Subscriber, prefix string) (time.Duration, error) {
	inbox := prefix + "." + rand.Text()
	s, err := sub.Subscribe(inbox)
	if err != nil {
		return 0, err
	}
	if err := sub.Flush(ctx); err != nil {
		return 0, err
	}
	pub, err := conn.publisher(ctx, "vigil check")
	if err != nil {
		return 0, err
	}
	defer pub.Close()
	start := time.Now()
	if err := pub.Publish(ctx, inbox, nil); err != nil {
		return 0, err
	}
	for _, err := range s.Messages(ctx) {
		return time.Since(start), err
	}
	return 0, subscriber.ErrClosed
}

// nagios returns a result as a Nagios plugin prints it: a line, with the times
// behind a bar as 'label'=value[unit];[warn];[crit].
func nagios(r result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", statusNames[r.status], strings.ReplaceAll(strings.Join(r.notes, "; "), "|", "/"))
	for i, t := range r.took {
		if i == 0 {
			b.WriteString(" |")
		}
		fmt.Fprintf(&b, " %s=%.6fs;%s;%s", t.name, t.took.Seconds(), threshold(t.limits.warn), threshold(t.limits.critical))
	}
	b.WriteByte('\n')
	return b.String()
}

// threshold returns a threshold in seconds, "" for none.
func threshold(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf("%.4f", d.Seconds())
}

// prometheus returns a result in Prometheus' text format.
func prometheus(r result, namespace string) string {
	var b strings.Builder
	metric := func(name, help, labels string, value any) {
		name = namespace + "_connections_" + name
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n%s{%s} %v\n", name, help, name, name, labels, value)
	}
	for _, t := range r.took {
		metric(t.name, t.help+", in seconds", `item="Connection"`, t.took.Seconds())
	}
	metric("status_code", "Nagios compatible status code", fmt.Sprintf(`item="Connection",status=%q`, statusNames[r.status]), r.status)
	return b.String()
}

// resultJSON returns a result as one JSON object.
func resultJSON(r result) string {
	v := struct {
		Status string             `json:"status"`
		Code   int                `json:"code"`
		Notes  []string           `json:"notes"`
		Took   map[string]float64 `json:"seconds"`
	}{statusNames[r.status], r.status, r.notes, make(map[string]float64)}
	for _, t := range r.took {
		v.Took[t.name] = t.took.Seconds()
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and finite numbers can be encoded
	}
	return string(text) + "\n"
}

// write writes a result to standard output, or in place of a file.
func (f *checkFlags) write(text string) error {
	if f.outFile == "" {
		_, err := fmt.Print(text)
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(f.outFile), "."+filepath.Base(f.outFile)+".*")
	if err != nil {
		return err
	}
	_, err = temp.WriteString(text)
	err = errors.Join(err, temp.Chmod(0o644), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), f.outFile)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}
