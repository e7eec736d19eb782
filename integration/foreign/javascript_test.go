package foreign_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"vigil/internal/natsjs"
)

// requireNodeEnv makes the test fail that would be skipped for want of Node.
const requireNodeEnv = "VIGIL_REQUIRE_NODE"

// programTimeout bounds a run of the JavaScript program.
const programTimeout = 3 * time.Minute

// installed is where the programs are, "" if they are not.
var installed string

// modules makes a directory, which removeModules removes, with the programs and the
// client.
var modules = sync.OnceValues(func() (dir string, err error) {
	client, err := natsjs.Install(context.Background())
	if err != nil {
		return "", err
	}
	dir, err = os.MkdirTemp("", "vigil-foreign-")
	if err != nil {
		return "", err
	}
	installed = dir
	for _, name := range []string{"core.mjs", "suite.mjs", "testbroker.mjs"} {
		text, err := os.ReadFile(filepath.Join("js", name))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return "", err
		}
	}
	return dir, os.Symlink(filepath.Join(client, "node_modules"), filepath.Join(dir, "node_modules"))
})

func removeModules() error { return os.RemoveAll(installed) }

// needModules returns where the client is installed, and skips the test where
// it cannot be.
func needModules(t *testing.T) (dir string) {
	t.Helper()
	dir, err := modules()
	switch {
	case err == nil:
	case os.Getenv(requireNodeEnv) != "":
		t.Fatalf("%s is set, but: %v", requireNodeEnv, err)
	default:
		t.Skipf("UNSUPPORTED: %v", err)
	}
	return dir
}

// jsTests are the tests of js/core.mjs: all of them have to be told.
var jsTests = []string{
	"connection", "publish and subscribe", "wildcards", "queue groups", "auto unsubscribe", "unsubscribe",
	"no echo", "request and reply", "request many", "no responders", "headers", "large payload",
	"drain a subscription", "drain a connection", "reconnect after an abrupt kill",
}

// jsLine is a line that js/core.mjs tells.
type jsLine struct {
	Test  string `json:"test"`
	OK    bool   `json:"ok"`
	Error string `json:"error"`
	Event string `json:"event"`
	Tests int    `json:"tests"`
}

// The official JavaScript client finds all core features, and finds the broker
// again that was killed.
func TestJavaScript(t *testing.T) {
	dir := needModules(t)
	each(t, func(t *testing.T, b *process) {
		ctx, cancel := context.WithTimeout(t.Context(), programTimeout)
		defer cancel()
		node := exec.CommandContext(ctx, "node", "core.mjs", b.url())
		node.Dir = dir
		var trouble bytes.Buffer
		node.Stderr = &trouble
		out, err := node.StdoutPipe()
		must(t, err)
		must(t, node.Start())
		told, ended := readJS(t, b, bufio.NewScanner(out))
		if err := node.Wait(); err != nil || trouble.Len() > 0 {
			t.Errorf("node: %v\n%s", err, &trouble)
		}
		if !slices.Equal(told, jsTests) || ended != len(jsTests) {
			t.Errorf("told of %q (%d at the end), want %q", told, ended, jsTests)
		}
	})
}

// readJS obeys and judges what the program tells, to the end of its output. It
// returns the names of the tests and how many the program says it has.
func readJS(t *testing.T, b *process, lines *bufio.Scanner) (told []string, ended int) {
	t.Helper()
	for lines.Scan() {
		var l jsLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Errorf("the program says %q: %v", lines.Text(), err)
			continue
		}
		switch {
		case l.Event == "kill":
			b.proc.Kill()
			b.start(t)
		case l.Event == "end":
			ended = l.Tests
		case l.Test == "":
			t.Errorf("the program says %q", lines.Text())
		default:
			told = append(told, l.Test)
			if !l.OK {
				t.Errorf("%s: %s", l.Test, l.Error)
			}
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	return told, ended
}
