package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"vigil/broker"
	"vigil/internal/cli"
)

// stopTimeout bounds a graceful stop.
const stopTimeout = 5 * time.Second

func brokerCommand() *cobra.Command {
	var cfg broker.Config
	var files runFiles
	var log bool
	cmd := &cobra.Command{
		Use:   "broker",
		Short: "Serve; prints the URL that clients connect to",
		Long: `Serve; prints the URL that clients connect to.

SIGINT and SIGTERM stop the broker. SIGUSR2 makes it a lame duck: it takes no
more clients, tells those it has, closes them one by one and then ends. SIGHUP
changes nothing: there is no configuration to read anew.

When clients have given up much of what they made the broker hold, it gives the
memory back to the system within seconds.

Sizes are bytes, or have a unit: K, M and G are powers of 1000, KB, MB and GB of
1024.`,
		Example: `  vigil broker
  vigil broker -p -1          any free port
  vigil broker -m 8222        monitoring on http://127.0.0.1:8222
  vigil broker --max_payload 8MB --memory_budget 2GB
  vigil broker -a 0.0.0.0     every interface: there is no authentication`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if log {
				cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
			}
			if cfg.Port < broker.RandomPort || cfg.Port == 0 || cfg.Port > math.MaxUint16 {
				return cli.Usagef("port %d: want 1 to 65535, or %d for any free port", cfg.Port, broker.RandomPort)
			}
			if cfg.MonitorPort < broker.RandomPort || cfg.MonitorPort > math.MaxUint16 {
				return cli.Usagef("http_port %d: want 1 to 65535, %d for any free port, or 0 for none", cfg.MonitorPort, broker.RandomPort)
			}
			return serve(cmd, cfg, &files)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&cfg.Host, "addr", "a", "127.0.0.1", "address to listen on")
	flags.IntVarP(&cfg.Port, "port", "p", broker.DefaultPort, "port to listen on, -1 for any free one")
	flags.StringVarP(&cfg.Name, "name", "n", "", "name of the broker; its id if there is none")
	flags.IntVarP(&cfg.MonitorPort, "http_port", "m", 0, "port for monitoring over HTTP, -1 for any free one; none by default")
	flags.StringVar(&cfg.MonitorHost, "http_host", "127.0.0.1", "address for monitoring")
	flags.StringSliceVar(&cfg.ConnectURLs, "connect_urls", nil, "host:port, … that clients are told to try, too")
	flags.StringVarP(&files.pid, "pid", "P", "", "file to write the process id to while running")
	flags.StringVar(&files.ports, "ports_file_dir", "", "directory to write <program>_<pid>.ports to while running")
	flags.BoolVarP(&log, "log", "D", false, "log clients coming and going on standard error")
	// The other names that nats-server has for them.
	flags.StringVar(&cfg.Host, "net", "127.0.0.1", "as --addr")
	flags.StringVar(&cfg.Name, "server_name", "", "as --name")
	for _, name := range []string{"net", "server_name"} {
		flags.Lookup(name).Hidden = true
	}
	limits := limitFlags(&cfg)
	flags.AddFlagSet(limits)
	cmd.SetUsageFunc(func(cmd *cobra.Command) error { return writeUsage(cmd, limits) })
	return cmd
}

// writeUsage writes how a command is used, with a group of its flags apart.
func writeUsage(cmd *cobra.Command, group *pflag.FlagSet) error {
	rest := pflag.NewFlagSet("Flags", pflag.ContinueOnError)
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if group.Lookup(f.Name) == nil {
			rest.AddFlag(f)
		}
	})
	_, err := fmt.Fprintf(cmd.OutOrStderr(), "Usage:\n  %s\n\nExamples:\n%s\n\nFlags:\n%s\n%s:\n%s",
		cmd.UseLine(), cmd.Example, rest.FlagUsages(), group.Name(), group.FlagUsages())
	return err
}

// serve runs a broker until the command's context ends or it has gone as a
// lame duck.
func serve(cmd *cobra.Command, cfg broker.Config, files *runFiles) (err error) {
	duck, reload, ignore := brokerSignals()
	defer ignore()
	b, err := broker.Start(cfg)
	if wrong, ok := errors.AsType[*broker.ConfigError](err); ok {
		return wrongFlags(wrong)
	}
	if err != nil {
		return err
	}
	if err := files.write(b); err != nil {
		return errors.Join(err, stop(b))
	}
	defer func() { err = errors.Join(err, files.remove()) }()
	ctx, cancel := context.WithCancel(cmd.Context())
	var pumps sync.WaitGroup
	pumps.Go(func() { watchMemory(ctx, b, os.Getenv("GOMEMLIMIT") == "") })
	defer pumps.Wait()
	defer cancel()
	fmt.Fprintln(cmd.OutOrStdout(), b.URL())
	return attend(cmd.Context(), b, cfg.Logger, duck, reload)
}

// attend waits for what ends the broker, and ends it.
func attend(ctx context.Context, b *broker.Broker, log *slog.Logger, duck, reload <-chan os.Signal) error {
	for {
		select {
		case <-reload:
			if log != nil {
				log.Info("SIGHUP is ignored: there is no configuration to read anew")
			}
			continue
		case <-ctx.Done():
			return stop(b)
		case <-duck:
		}
		if err := b.LameDuck(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		return stop(b) // the context may have cut it short
	}
}

func stop(b *broker.Broker) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return b.Shutdown(ctx)
}
