package integration_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vigil/internal/lab"
)

// requireChromiumEnv makes the test of the page fail without a browser.
const requireChromiumEnv = "VIGIL_REQUIRE_CHROMIUM"

// The matrix as a user runs it: every fault in its quickest form, those who must
// notice it, those who cannot, and a page of it. It is alone: it measures.
func TestMatrix(t *testing.T) {
	needPackets(t)
	dir := t.TempDir()
	page, table := filepath.Join(dir, "page.html"), filepath.Join(dir, "cells.csv")
	contenders := []string{"vigil", "nats.go", "nats.go-1s", "none"}
	run := func() (p *program, kept bool) {
		p = start(t, nil, "vigil-lab", "matrix", "--quick", "--json", "--html", page, "--csv", table, "--contender", strings.Join(contenders, ","))
		status := p.status(t)
		if kept = status == 0; !kept && !(status == 1 && strings.Contains(p.err.String(), "promise was broken")) {
			t.Errorf("exit status %d: %s", status, &p.err)
		}
		return p, kept
	}
	p, kept := run()
	if !kept { // other packages' tests may have kept the machine busy, but not twice
		t.Logf("once more: %s", &p.err)
		if p, kept = run(); !kept {
			t.Errorf("promises were broken twice: %s", &p.err)
		}
	}
	lines := p.out.lines()
	tried := make(map[string]bool)
	for _, line := range lines {
		var c lab.Cell
		must(t, json.Unmarshal([]byte(line), &c))
		tried[c.Fault] = true
		checkCell(t, c)
	}
	for _, fault := range lab.Faults() {
		if !tried[fault] && fault != "zero-window" && !strings.Contains(p.err.String(), "skipped: "+fault) {
			t.Errorf("%s was neither tried nor skipped", fault)
		}
	}
	text, err := os.ReadFile(table)
	must(t, err)
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	must(t, err)
	if len(rows) != 1+len(lines) {
		t.Errorf("%d rows of CSV, %d lines of JSON", len(rows), len(lines))
	}
	t.Run("page", func(t *testing.T) { checkPage(t, page) })
}

// checkCell checks what is certain of a contender and a fault.
func checkCell(t *testing.T, c lab.Cell) {
	t.Helper()
	told := slices.Contains([]string{"shutdown", "kill", "reset", "lame-duck"}, c.Fault)
	noticed := c.DetectedMS != nil && *c.DetectedMS <= c.FaultMS
	// A silent fault of 5 s is within the bounds of two of them, and nothing
	// tells the others.
	silent := slices.Contains([]string{"power-off", "freeze", "cut", "cut-from-broker", "nat-evicted", "crash-fin-lost", "unreachable"}, c.Fault)
	quick := c.Contender == "vigil" || c.Contender == "nats.go-1s"
	switch {
	case told && !noticed && c.PausedMS == 0:
		t.Errorf("%s on %s: %s was told by its kernel and did not notice: %+v", c.Fault, c.Broker, c.Contender, c)
	case silent && quick != noticed:
		t.Errorf("%s on %s: %s noticed: %v, want %v: %+v", c.Fault, c.Broker, c.Contender, noticed, quick, c)
	case !c.Dead && !quick && c.FalseAlarms > 0:
		t.Errorf("%s on %s: %s has nothing to cry wolf with: %+v", c.Fault, c.Broker, c.Contender, c)
	case silent && quick && c.CauseRight != nil && !*c.CauseRight:
		t.Errorf("%s on %s: %s gives a wrong cause: %s", c.Fault, c.Broker, c.Contender, c.Cause)
	}
}

// checkPage opens the page in a browser, whose console has to stay empty.
func checkPage(t *testing.T, page string) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv(requireChromiumEnv) != "" {
			t.Fatal(err)
		}
		t.Skip("SKIP page: ", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
		"--user-data-dir="+t.TempDir(), "--dump-dom", "file://"+page)
	var log bytes.Buffer
	cmd.Stderr = &log
	dom, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &log)
	}
	if strings.Contains(log.String(), "CONSOLE") {
		t.Errorf("the page complains: %s", &log)
	}
	for _, want := range []string{"<h1>nats.go would be deaf for up to 360&nbsp;s, by its settings, when", "nats-cluster, receiving</h2>", "(360 s)</td>", `id="cells"`} {
		if !strings.Contains(string(dom), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// A matrix that is interrupted writes what it has, and one that is killed
// writes nothing; neither leaves a process or a network behind.
func TestMatrixInterrupted(t *testing.T) {
	t.Parallel()
	needPackets(t)
	if len(processes()) == 0 {
		t.Skip("UNSUPPORTED: no /proc to find processes in")
	}
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "cells.csv")
			p := start(t, nil, "vigil-lab", "matrix", "--quick", "--csv", file, "--fault", "power-off,freeze,nat-evicted", "--outage", "30s", "--contender", "vigil,none")
			pid := p.cmd.Process.Pid
			eventually(t, "the matrix's contenders run", func() bool { return len(descendants(pid)) >= 2*5 })
			family := descendants(pid)
			p.signal(t, signal)
			if status := p.status(t); signal == os.Interrupt && status != 130 {
				t.Errorf("exit status %d, want 130", status)
			}
			eventually(t, "the matrix's processes have ended", func() bool { return len(alive(family)) == 0 })
			if _, err := os.Stat(file); (err == nil) != (signal == os.Interrupt) {
				t.Errorf("after %v the file of what was measured: %v", signal, err)
			}
		})
	}
}

// What the matrix cannot obey.
func TestMatrixErrors(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"--fault nope", "--contender nope", "--broker nope", "--activity nope", "--repeat 0", "--watch -1s",
		"--outage 2h", "--nats-ping-interval -1s", "--quick --full", "extra"} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			checkOneLine(t, start(t, nil, "vigil-lab", append([]string{"matrix"}, strings.Fields(args)...)...), 2)
		})
	}
}
