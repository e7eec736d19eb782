package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"vigil/broker"
)

// programEnv makes this binary the program itself.
const programEnv = "VIGIL_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(programEnv) != "" {
		main()
	}
	os.Exit(m.Run())
}

// running is the program, serving.
type running struct {
	cmd    *exec.Cmd
	url    string
	errors strings.Builder
}

func runBroker(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{cmd: exec.Command(os.Args[0], append([]string{"broker"}, args...)...)}
	r.cmd.Env = append(os.Environ(), programEnv+"=1")
	r.cmd.Stderr = &r.errors
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("no URL: %v", err)
	}
	r.url = strings.TrimSpace(line)
	return r
}

// ends waits for the program and wants exit status 0 and no complaint.
func (r *running) ends(t *testing.T) {
	t.Helper()
	if err := r.cmd.Wait(); err != nil || r.errors.Len() > 0 {
		t.Errorf("ended with %v, said %q", err, r.errors.String())
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func empty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the directory: %v (error %v)", left, err)
	}
}

func TestBrokerStopsBySignal(t *testing.T) {
	for _, signal := range stopSignals {
		t.Run(signal.String(), func(t *testing.T) {
			dir := t.TempDir()
			pid := filepath.Join(dir, "vigil.pid")
			r := runBroker(t, "-p", "-1", "-m", "-1", "-P", pid, "--ports_file_dir", dir, "--server_name", "me")
			if got, want := read(t, pid), strconv.Itoa(r.cmd.Process.Pid); got != want {
				t.Errorf("pid file %q, want %q", got, want)
			}
			var ports struct{ NATS, Monitoring []string }
			name := fmt.Sprintf("%s_%d.ports", filepath.Base(os.Args[0]), r.cmd.Process.Pid)
			if err := json.Unmarshal([]byte(read(t, filepath.Join(dir, name))), &ports); err != nil {
				t.Fatal(err)
			}
			if len(ports.NATS) != 1 || ports.NATS[0] != r.url || len(ports.Monitoring) != 1 {
				t.Fatalf("ports %+v, URL %s", ports, r.url)
			}
			answer, err := http.Get(ports.Monitoring[0] + "/varz")
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil || !strings.Contains(string(body), `"server_name": "me"`) {
				t.Errorf("varz %s (error %v)", body, err)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
				t.Errorf("temporary files left: %v", left)
			}
			if err := r.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			r.ends(t)
			empty(t, dir)
		})
	}
}

func TestBrokerFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	for _, c := range []struct {
		args   string
		status int
		want   string
	}{
		{"-p " + port, 1, "address already in use"},
		{"-p -1 -m " + port, 1, "listen for monitoring"},
		{"-p -1 --http_port 70000", 2, "http_port 70000: want 1 to 65535"},
		{"-p -1 -P /nowhere/vigil.pid", 1, "pid file: write: "},
		{"-p -1 --ports_file_dir /nowhere", 1, "ports file: write: "},
	} {
		cmd := exec.Command(os.Args[0], append([]string{"broker"}, strings.Fields(c.args)...)...)
		cmd.Env = append(os.Environ(), programEnv+"=1")
		out, err := cmd.CombinedOutput()
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok || exit.ExitCode() != c.status || !strings.Contains(string(out), c.want) || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%s: %v, said %q", c.args, err, out)
		}
	}
}

// When the second file cannot be written the first does not stay, and a file
// that another process has put in its place since is left alone.
func TestRunFiles(t *testing.T) {
	b, err := broker.Start(broker.Config{Port: broker.RandomPort})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stop(b) }()
	dir := t.TempDir()
	pid := filepath.Join(dir, "pid")
	files := runFiles{pid: pid, ports: filepath.Join(dir, "missing")}
	if err := files.write(b); err == nil {
		t.Error("written to a directory that is not there")
	}
	empty(t, dir)
	files = runFiles{pid: pid}
	if err := files.write(b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pid, []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := files.remove(); err != nil || read(t, pid) != "1" {
		t.Errorf("another's file: error %v", err)
	}
}
