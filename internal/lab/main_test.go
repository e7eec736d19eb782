package lab

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// The tests' own program is what the incident starts as a broker.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == ServeCommand {
		if err := Serve(os.Args[2], os.Args[3], ServeOptions{}, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
