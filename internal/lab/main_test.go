package lab

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"vigil/internal/fault"
)

// The tests' own program is what the lab starts as a broker, as a contender and
// as a watcher. The rest runs isolated, where the kernel allows it.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		if play := commands[os.Args[1]]; play != nil {
			if err := play(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(fault.RunIsolated(func() int {
		status := m.Run()
		if err := goleak.Find(); err != nil && status == 0 {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return status
	}))
}

// commands are the commands of the lab's own program; see its main.
var commands = map[string]func(args []string) error{
	ServeCommand: func(args []string) error {
		o := ServeOptions{LameDuck: slices.Contains(args, "--"+LameDuckFlag)}
		for k, arg := range args {
			switch arg {
			case "--" + JetStreamFlag:
				o.JetStream = args[k+1]
			case "--" + ClusterFlag:
				o.Cluster = args[k+1]
			case "--" + RoutesFlag:
				o.Routes = strings.Split(args[k+1], ",")
			}
		}
		return Serve(args[0], args[1], o, os.Stdout)
	},
	ContendCommand: func(args []string) error {
		name, to := args[0], strings.Join(args[2:], "")
		for _, c := range liars() {
			if c.name == name {
				return contend(c, args[1], to, os.Stdout, os.Stderr)
			}
		}
		return Contend(name, args[1], to, os.Stdout, os.Stderr)
	},
	WatchCommand: func(args []string) error { return Watch(context.Background(), args[0], os.Stdout, os.Stderr) },
}
