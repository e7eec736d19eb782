package vigil

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listed is what `go list -json` tells of a package.
type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
	GoFiles    []string
	Standard   bool
}

// list returns the project's packages and, with deps, all that they need.
func list(t *testing.T, args ...string) map[string]listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps,GoFiles,Standard"}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	all := make(map[string]listed)
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
}

func isStandard(path string) bool {
	return !strings.Contains(strings.Split(path, "/")[0], ".") && !isOurs(path)
}
func isOurs(path string) bool { return path == "vigil" || strings.HasPrefix(path, "vigil/") }

// allowed are the project's own packages that each may import, and whether it
// may import modules of others. A package that is not named here may not exist:
// where it belongs is to be thought of first.
var allowed = map[string]struct {
	ours   []string
	others []string
	reason string
}{
	"vigil/heartbeat": {reason: "detectors are pure: usable by anyone, testable without a clock"},
	"vigil/heartbeat/udp": {
		ours:   []string{"vigil/heartbeat"},
		reason: "a thin shell around the detectors, for whoever has no connection to watch",
	},
	"vigil/auth":             {reason: "who a client is, is known without a connection, and without a module of others"},
	"vigil/internal/wire":    {reason: "one codec for both ends cannot lean on either"},
	"vigil/internal/subject": {reason: "a grammar needs nothing"},
	"vigil/internal/pki":     {reason: "certificates know nothing of what they are for"},
	"vigil/internal/memnet":  {reason: "a test network must not know what runs over it"},
	"vigil/broker": {
		ours:   []string{"vigil/internal/wire", "vigil/internal/subject", "vigil/heartbeat"},
		reason: "the broker is embeddable: it never knows the clients, and needs no module of others",
	},
	"vigil/internal/link": {
		ours:   []string{"vigil/internal/wire", "vigil/heartbeat", "vigil/auth"},
		others: []string{"golang.org/x/sys"},
		reason: "the link never knows the broker; x/sys is for TCP_INFO",
	},
	"vigil/subscriber": {
		ours:   []string{"vigil/internal/link", "vigil/internal/subject", "vigil/internal/wire", "vigil/heartbeat", "vigil/auth", "vigil/publisher"},
		reason: "clients never import the broker",
	},
	"vigil/publisher": {
		ours:   []string{"vigil/internal/link", "vigil/internal/subject", "vigil/internal/wire", "vigil/heartbeat", "vigil/auth"},
		reason: "clients never import the broker, nor the publisher the subscriber",
	},
	"vigil/internal/fault": {
		others: []string{"github.com/vishvananda/", "github.com/google/nftables", "golang.org/x/sys"},
		reason: "faults are made to processes and packets, whoever sends them",
	},
	"vigil/internal/cli": {
		others: []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/term"},
		reason: "the edge of the programs knows nothing of what they do",
	},
	"vigil/internal/front": {
		ours:   []string{"vigil/internal/wire", "vigil/internal/subject", "vigil/internal/memnet"},
		others: []string{"golang.org/x/sys"},
		reason: "what stands in front of a broker knows its protocol, not which it is; x/sys is for socket filters",
	},
	"vigil/internal/embedded": {
		ours:   []string{"vigil/broker", "vigil/internal/front"},
		reason: "it joins the two, which know nothing of each other",
	},
	"vigil/internal/control": {
		ours:   []string{"vigil/internal/front"},
		reason: "it makes faults, to whichever broker",
	},
	"vigil/broker/brokertest": {
		ours:   []string{"vigil/broker", "vigil/internal/embedded", "vigil/internal/front"},
		reason: "a test that wants Vigil's broker links nothing of others",
	},
	"vigil/broker/brokertest/natstest": {
		ours:   []string{"vigil/broker/brokertest"},
		others: []string{"github.com/nats-io/"},
		reason: "only those who want nats-server link it",
	},
	"vigil/integration/orders": {
		others: []string{"github.com/nats-io/nats.go"},
		reason: "an application as people have it: it knows nothing of Vigil",
	},
	"vigil/internal/lab": {
		ours:   []string{"vigil/broker", "vigil/subscriber", "vigil/publisher", "vigil/heartbeat", "vigil/internal/fault", "vigil/internal/wire", "vigil/internal/natsjs"},
		others: []string{"github.com/nats-io/", "github.com/jedib0t/go-pretty", "golang.org/x/sys"},
		reason: "the lab puts everything side by side, nats-server and nats.go too; x/sys is for TCP_USER_TIMEOUT",
	},
	"vigil/internal/natsjs": {reason: "it installs a program, and knows nothing of who runs it"},
	"vigil/internal/bench": {
		ours:   []string{"vigil/internal/fault"},
		others: []string{"github.com/jedib0t/go-pretty", "golang.org/x/sys"},
		reason: "who measures brokers and clients knows them as processes and bytes alone, all alike: not ours better than others",
	},
	"vigil/internal/lesson": {
		ours:   []string{"vigil/heartbeat", "vigil/heartbeat/udp", "vigil/internal/fault"},
		others: []string{"github.com/jedib0t/go-pretty", "golang.org/x/sys"},
		reason: "the lesson has a protocol of its own; x/sys is for TCP's own keep-alive",
	},
	"vigil/internal/qos": {
		ours:   []string{"vigil/heartbeat"},
		others: []string{"github.com/jedib0t/go-pretty"},
		reason: "detectors are judged in virtual time: no network, no clients",
	},
	"vigil/cmd/vigil": {
		ours: []string{"vigil/broker", "vigil/subscriber", "vigil/publisher", "vigil/heartbeat", "vigil/auth",
			"vigil/internal/cli", "vigil/internal/subject", "vigil/internal/embedded", "vigil/internal/front", "vigil/internal/control"},
		others: []string{"github.com/spf13/cobra", "github.com/spf13/pflag"},
		reason: "the lean program",
	},
	"vigil/cmd/vigil-lab": {
		ours:   []string{"vigil/internal/lab", "vigil/internal/bench", "vigil/internal/fault", "vigil/internal/cli", "vigil/internal/qos", "vigil/internal/natsjs", "vigil/internal/lesson"},
		others: []string{"github.com/spf13/cobra", "github.com/jedib0t/go-pretty"},
		reason: "the lab's program",
	},
}

// The direction of the imports is what keeps the parts apart; see
// ARCHITECTURE.md.
func TestImports(t *testing.T) {
	all := list(t, "./...")
	for path := range allowed {
		if _, ok := all[path]; !ok {
			t.Errorf("%s has a rule here and does not exist", path)
		}
	}
	for path, p := range all {
		if len(p.GoFiles) == 0 {
			continue // tests only
		}
		rule, ok := allowed[path]
		if !ok {
			t.Errorf("%s has no rule here: say what it may import, and why", path)
			continue
		}
		for _, imported := range p.Imports {
			switch {
			case isStandard(imported):
			case isOurs(imported):
				if !slices.Contains(rule.ours, imported) {
					t.Errorf("%s imports %s, and may not: %s", path, imported, rule.reason)
				}
			case !slices.ContainsFunc(rule.others, func(prefix string) bool { return strings.HasPrefix(imported, prefix) }):
				t.Errorf("%s imports %s, and may not: %s", path, imported, rule.reason)
			}
		}
	}
}

// pure are the files, or all files of the packages, that decide. A new one
// belongs here.
var pure = []string{
	"heartbeat/*.go", "heartbeat/udp/limiter.go", "heartbeat/udp/packet.go", "internal/wire/*.go", "internal/subject/*.go",
	"broker/router.go", "broker/session.go",
	"internal/front/condition.go", "internal/front/path.go", "internal/front/tap.go", "internal/front/messages.go",
	"internal/qos/congestion.go", "internal/qos/datagram.go", "internal/qos/delay.go", "internal/qos/detector.go", "internal/qos/episodes.go",
	"internal/qos/flow.go", "internal/qos/frontier.go", "internal/qos/measure.go", "internal/qos/model.go", "internal/qos/network.go",
	"internal/qos/stream.go", "internal/qos/world.go",
	"internal/link/arrival.go", "internal/link/backoff.go", "internal/link/pool.go",
	"subscriber/patience.go", "subscriber/repeats.go", "subscriber/options.go",
	"internal/fault/impairment.go", "internal/fault/line.go",
	"internal/bench/flow.go", "internal/bench/histogram.go", "internal/bench/message.go", "internal/bench/numbered.go", "internal/bench/replies.go",
	"internal/bench/statistics.go", "internal/bench/tape.go",
}

// impure are imports that decisions have no use for.
var impure = []string{"context", "io", "log", "log/slog", "net", "os", "sync", "sync/atomic", "syscall"}

// What decides takes `now` and is driven from outside: no network, lock or log
// is imported, no goroutine started, no channel used, no clock read.
func TestPure(t *testing.T) {
	for _, pattern := range pure {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Errorf("%s: no such file (%v)", pattern, err)
		}
		for _, name := range files {
			if !strings.HasSuffix(name, "_test.go") {
				checkPure(t, name)
			}
		}
	}
}

func checkPure(t *testing.T, name string) {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range file.Imports {
		if path := strings.Trim(spec.Path.Value, `"`); slices.Contains(impure, path) {
			t.Errorf("%s imports %s: what decides has no network, lock or log", fset.Position(spec.Pos()), path)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt, *ast.SelectStmt, *ast.ChanType:
			t.Errorf("%s: what decides has no goroutine and no channel", fset.Position(n.Pos()))
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clocks, n.Sel.Name) {
				t.Errorf("%s: what decides is told the time: time.%s", fset.Position(n.Pos()), n.Sel.Name)
			}
		}
		return true
	})
}

// clocks are what reads a clock or waits in package time.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}

// vigil is what users install; nats-server is ten times its size.
func TestLeanProgram(t *testing.T) {
	for _, dep := range list(t, "./cmd/vigil")["vigil/cmd/vigil"].Deps {
		if strings.HasPrefix(dep, "github.com/nats-io/") {
			t.Errorf("vigil/cmd/vigil links %s", dep)
		}
	}
}
