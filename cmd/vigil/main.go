// Command vigil is a NATS broker, and clients that notice when a broker has
// silently gone.
//
//	vigil broker                 serve on 127.0.0.1:4222
//	vigil sub 'orders.>'         print what is published, and what the connection goes through
//	vigil pub orders.new hello   publish
//	vigil req time.in paris      ask, and print the reply
//	vigil reply time.in noon     answer
//	vigil ping                   round-trip times, the kernel's too, and the connection's state
//	vigil check connection       for a monitor: Nagios and Prometheus
//	vigil test-broker            serve for tests, with faults over HTTP
//
// The clients work against Vigil's broker and against any NATS server, and take
// the flags, environment and contexts of the nats tool.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"vigil/internal/cli"
)

func main() { os.Exit(cli.Run(rootCommand())) }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "vigil",
		Short: "A NATS broker, and clients that notice when a broker has silently gone",
		Long: `A NATS broker, and clients that notice when a broker has silently gone.

The clients work against this broker and against any NATS server. They take the
flags and environment of the nats tool, and its contexts from
~/.config/nats/context: a flag goes before the environment, and that before the
context. The variables are NATS_URL, NATS_USER, NATS_PASSWORD, NATS_TOKEN,
NATS_CREDS, NATS_NKEY, NATS_JWT with NATS_SEED, NATS_CERT, NATS_KEY, NATS_CA and
NATS_CONTEXT.

Exit statuses: 0 done, 1 failed, 2 a wrong command line, 3 not in time, 4 nobody
answers on the subject, 130 interrupted. Those of vigil check are a monitor's.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(brokerCommand(), subCommand(), pubCommand(), reqCommand(), replyCommand(), pingCommand(), checkCommand(), testBrokerCommand(), manCommand())
	return root
}

func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man",
		Short:   "Write the manual page to standard output",
		Example: "  vigil man > /usr/local/share/man/man1/vigil.1\n  vigil man | man -l -",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cli.WriteMan(cmd.OutOrStdout(), cmd.Root()) },
	}
}
