package bench

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vigil/internal/fault"
	"vigil/internal/lab"
)

// The tests' own program is what the bench starts as a contender.
func TestMain(m *testing.M) {
	if len(os.Args) >= 3 {
		var err error
		switch os.Args[1] {
		case lab.ServeCommand:
			o := lab.ServeOptions{}
			if len(os.Args) > 3 {
				o.PingInterval, _ = time.ParseDuration(os.Args[3])
			}
			err = lab.Serve(os.Args[2], "127.0.0.1:0", o, os.Stdout)
			exit(err)
		case lab.ClientCommand:
			exit(lab.Client(os.Args[2], os.Args[3], os.Args[4], lab.ServeOptions{}, os.Stdout))
		case RelayCommand:
			exit(ServeRelay(os.Args[2], os.Stdout))
		}
	}
	goleak.VerifyTestMain(m)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// contender is this program as a broker.
func contender(name string) Contender {
	return Contender{Name: name, Command: func(o Options) fault.Command {
		return fault.Command{Args: []string{lab.ServeCommand, name, o.PingInterval.String()}}
	}}
}

// relay is this program as the relay.
func relay() Contender {
	return Contender{Name: "relay", Protocol: Bytes, Command: func(Options) fault.Command {
		return fault.Command{Args: []string{RelayCommand, "127.0.0.1:0"}}
	}}
}

// client is this program as a user of a client library.
func client(name string) Contender {
	return Contender{Name: name, Protocol: Client, Command: func(o Options) fault.Command {
		return fault.Command{Args: []string{lab.ClientCommand, name, o.Role, o.Broker}}
	}}
}
