package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/cli"
	"vigil/internal/fault"
	"vigil/internal/lab"
)

// maxWindow bounds a measurement to what somebody would wait for.
const maxWindow = time.Hour

func idleCommand() *cobra.Command {
	var idle lab.Idle
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "idle",
		Short: "What an idle connection costs the network, in bytes per second",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if idle.Window < 0 || idle.Window > maxWindow {
				return cli.Usagef("window %v: want up to %v", idle.Window, maxWindow)
			}
			return isolated(func() error { return measureIdle(cmd.Context(), idle, asJSON) })
		},
	}
	cmd.Flags().DurationVar(&idle.Window, "window", 0, "how long to count (default 30s)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

func measureIdle(ctx context.Context, idle lab.Idle, asJSON bool) error {
	if err := fault.Isolation(); err != nil {
		return fmt.Errorf("counting frames: %w", err)
	}
	if !asJSON {
		fmt.Printf("Counting frames on the links of idle connections for %v.\n", idle.Length())
	}
	costs, err := idle.Run(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return lab.WriteCostsJSON(os.Stdout, costs)
	}
	lab.WriteCosts(os.Stdout, costs)
	return nil
}

// isolated runs f in network namespaces of the program's own where the kernel
// allows it. In the process that only waits for the other, an error of f has
// been told already, so that the exit status is all that is passed on.
func isolated(f func() error) error {
	var err error
	status := fault.RunIsolated(func() int {
		err = f()
		return cli.OK
	})
	if err == nil && status != cli.OK {
		os.Exit(status)
	}
	return err
}
