// Command vigil-lab rebuilds the incident that Vigil cures: a broker's host
// vanishes, its FIN never arrives, and subscribers sit on connections that look
// healthy and deliver nothing. It measures who notices, when, and what it cost.
//
//	vigil-lab             the incident, on Vigil's broker and on nats-server
//	vigil-lab --json      the same, one JSON object a line
//	vigil-lab idle        what an idle connection costs, in bytes per second
//	vigil-lab queue       what a queue group loses when a member's host vanishes
//	vigil-lab matrix      every way to vanish, and every contender
//	vigil-lab bench       what a message costs each broker
//	vigil-lab detectors   how good failure detectors are, in simulated networks
//	vigil-lab lesson      the exercise that all this grew from, and its questions
//	vigil-lab --help      the rest
package main

import (
	"os"

	"github.com/spf13/cobra"

	"vigil/internal/cli"
	"vigil/internal/lab"
)

func main() {
	var run incidentFlags
	root := &cobra.Command{
		Use:   "vigil-lab",
		Short: "Rebuild the incident: a broker vanishes without a FIN, and see who notices",
		Long:  incidentHelp,
		Args:  cobra.NoArgs,
		RunE:  run.run,
	}
	run.register(root)
	root.AddCommand(incidentCommand(), idleCommand(), queueCommand(), matrixCommand(), benchCommand(), detectorsCommand(), lessonCommand(),
		serveCommand(), clientCommand(), memberCommand(), contendCommand(), watchCommand(), relayCommand(), redisCommand(), companionCommand())
	os.Exit(cli.Run(root))
}

// serveCommand is how the lab starts brokers as processes of their own.
func serveCommand() *cobra.Command {
	var options lab.ServeOptions
	cmd := &cobra.Command{
		Use:    lab.ServeCommand + " BROKER ADDRESS",
		Short:  "Serve a broker; prints its URL",
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return lab.Serve(args[0], args[1], options, cmd.OutOrStdout())
		},
	}
	cmd.Flags().DurationVar(&options.PingInterval, pingIntervalFlag, 0, "silence after which a client is pinged (default: the broker's)")
	cmd.Flags().BoolVar(&options.LameDuck, lab.LameDuckFlag, false, "announce the end when told to end")
	cmd.Flags().StringVar(&options.JetStream, lab.JetStreamFlag, "", "keep the feed in a stream, and files in this directory")
	cmd.Flags().StringVar(&options.Cluster, lab.ClusterFlag, "", "address for the routes of a cluster")
	cmd.Flags().StringSliceVar(&options.Routes, lab.RoutesFlag, nil, "the routes of the cluster")
	cmd.Flags().StringVar(&options.CPUProfile, cpuProfileFlag, "", "write a CPU profile to this file at the end")
	return cmd
}

// clientCommand is how the bench starts a client library's user.
func clientCommand() *cobra.Command {
	var options lab.ServeOptions
	cmd := &cobra.Command{
		Use:    lab.ClientCommand + " CLIENT ROLE BROKER",
		Short:  "Use a client library under load; prints a control URL",
		Hidden: true,
		Args:   cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			return lab.Client(args[0], args[1], args[2], options, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&options.CPUProfile, cpuProfileFlag, "", "write a CPU profile to this file at the end")
	return cmd
}

// The flags of the serve and the client command.
const (
	pingIntervalFlag = "ping-interval"
	cpuProfileFlag   = "cpu-profile"
)
