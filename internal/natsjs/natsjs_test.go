package natsjs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// requireEnv makes the test fail that would be skipped for want of Node.
const requireEnv = "VIGIL_REQUIRE_NODE"

func TestInstall(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir()) // where there is no other process
	dir, err := Install(t.Context())
	if errors.Is(err, errors.ErrUnsupported) && os.Getenv(requireEnv) == "" {
		t.Skipf("UNSUPPORTED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	again, err := Install(t.Context())
	if err != nil || again != dir {
		t.Errorf("again: %s, %v, want %s", again, err, dir)
	}
	node := exec.Command(Node, "--input-type=module", "--eval", `import {connect} from "@nats-io/transport-node"; console.log(typeof connect)`)
	node.Dir = dir
	out, err := node.CombinedOutput()
	if err != nil || string(out) != "function\n" {
		t.Errorf("%v: %s", err, out)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(dir), "installing-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestNoNode(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := Install(t.Context()); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "needs Node 18 and npm") {
		t.Error(err)
	}
}

// An npm that fails says why, and leaves nothing half installed.
func TestNothingToFetchFrom(t *testing.T) {
	if _, err := exec.LookPath(Node); err != nil {
		t.Skipf("UNSUPPORTED: %v", err)
	}
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HOME", cache)
	t.Setenv("npm_config_registry", "http://127.0.0.1:1/")
	t.Setenv("npm_config_fetch_retries", "0")
	t.Setenv("npm_config_cache", filepath.Join(cache, "npm"))
	if _, err := Install(t.Context()); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "npm ci") {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "*", "vigil", "*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "vigil", "*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
