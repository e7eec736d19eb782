package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"time"

	"github.com/spf13/cobra"

	"vigil/broker"
	"vigil/internal/cli"
)

// stopTimeout bounds a graceful stop.
const stopTimeout = 5 * time.Second

func brokerCommand() *cobra.Command {
	var cfg broker.Config
	var log bool
	cmd := &cobra.Command{
		Use:   "broker",
		Short: "Serve; prints the URL that clients connect to",
		Example: `  vigil broker
  vigil broker -p -1          any free port
  vigil broker -a 0.0.0.0     every interface: there is no authentication`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if log {
				cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
			}
			if cfg.Port < broker.RandomPort || cfg.Port == 0 || cfg.Port > math.MaxUint16 {
				return cli.Usagef("port %d: want 1 to 65535, or %d for any free port", cfg.Port, broker.RandomPort)
			}
			return serve(cmd, cfg)
		},
	}
	cmd.Flags().StringVarP(&cfg.Host, "addr", "a", "127.0.0.1", "address to listen on")
	cmd.Flags().IntVarP(&cfg.Port, "port", "p", broker.DefaultPort, "port to listen on, -1 for any free one")
	cmd.Flags().BoolVarP(&log, "log", "D", false, "log clients coming and going on standard error")
	return cmd
}

// serve runs a broker until the command's context ends.
func serve(cmd *cobra.Command, cfg broker.Config) error {
	b, err := broker.Start(cfg)
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), b.URL())
	<-cmd.Context().Done()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return b.Shutdown(ctx)
}
