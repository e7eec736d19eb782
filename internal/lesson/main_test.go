package lesson

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"vigil/internal/fault"
)

// requireEnv makes tests fail that would be skipped for want of namespaces.
const requireEnv = "VIGIL_REQUIRE_NAMESPACES"

// The tests' own program is the companion on other hosts. The rest runs isolated,
// where the kernel allows it.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == CompanionCommand {
		if err := Companion(context.Background(), os.Args[2], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
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

// needHosts skips a test where hosts cannot vanish.
func needHosts(t *testing.T) {
	t.Helper()
	switch err := fault.Isolation(); {
	case err == nil:
	case os.Getenv(requireEnv) != "":
		t.Fatalf("%s is set, but: %v", requireEnv, err)
	default:
		t.Skipf("UNSUPPORTED: %v", err)
	}
}
