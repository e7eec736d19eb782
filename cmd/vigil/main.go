// Command vigil is a NATS broker, and clients that notice when a broker has
// silently gone.
//
//	vigil broker                 serve on 127.0.0.1:4222
//	vigil sub 'orders.>'         print what is published, and what the connection goes through
//	vigil pub orders.new hello   publish
//	vigil test-broker            serve for tests, with faults over HTTP
//
// The clients work against Vigil's broker and against any NATS server.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"vigil/internal/cli"
	"vigil/subscriber"
)

func main() {
	root := &cobra.Command{
		Use:   "vigil",
		Short: "A NATS broker, and clients that notice when a broker has silently gone",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(brokerCommand(), subCommand(), pubCommand(), testBrokerCommand())
	os.Exit(cli.Run(root))
}

// clientFlags are what both clients' commands take.
type clientFlags struct {
	server string
	within string
}

func (f *clientFlags) register(cmd *cobra.Command) {
	server := os.Getenv("NATS_URL")
	if server == "" {
		server = "nats://127.0.0.1:4222"
	}
	cmd.Flags().StringVarP(&f.server, "server", "s", server, "broker's URL, or several separated by commas; $NATS_URL is its default")
	cmd.Flags().StringVar(&f.within, "within", "2s", `notice a vanished broker within this time; "lesson" is the lesson's 10 s + 3 × 3 s`)
}

// show tells an event on standard error as it happens. That the program itself
// closed is no news, unless something was left unsent.
func show(e subscriber.Event) {
	if e.Kind == subscriber.EventClosed && e.Unconfirmed.Messages == 0 {
		return
	}
	fmt.Fprintf(os.Stderr, "%s  %v\n", e.At.Format("15:04:05.000"), e)
}

// connectError makes a wrong URL a wrong command line.
func connectError(err error) error {
	if wrong, ok := errors.AsType[*subscriber.URLError](err); ok {
		return &cli.UsageError{Err: wrong}
	}
	return err
}
