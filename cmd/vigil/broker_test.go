package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

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
	errors words
}

// words is what a program says, as it comes.
type words struct {
	mu    sync.Mutex
	text  strings.Builder
	heard chan struct{} // has a value when there is more
}

// Write implements io.Writer.
func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.heard <- struct{}{}:
	default:
	}
	return w.text.Write(p)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// await waits until something was said.
func (w *words) await(t *testing.T, text string) {
	t.Helper()
	for deadline := time.After(patience); !strings.Contains(w.String(), text); {
		select {
		case <-w.heard:
		case <-deadline:
			t.Fatalf("not said: %q, but %q", text, w)
		}
	}
}

// patience is how long tests wait for what must happen.
const patience = 20 * time.Second

func runBroker(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{errors: words{heard: make(chan struct{}, 1)}, cmd: exec.Command(os.Args[0], append([]string{"broker"}, args...)...)}
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
	if err := r.cmd.Wait(); err != nil || r.errors.String() != "" {
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
		{"-p -1 --max_payload x", 2, `"--max_payload" flag: want a size`},
		{"-p -1 --max_pending 5", 2, "--max_pending 5: want at least --max_payload, 1048576"},
		{"-p -1 --connect_urls nowhere", 2, `--connect_urls: "nowhere": want host:port`},
		{"-p -1 -P /nowhere/vigil.pid", 1, "pid file: write: "},
		{"-p -1 --ports_file_dir /nowhere", 1, "ports file: write: "},
	} {
		out := programSays(t, c.status, append([]string{"broker"}, strings.Fields(c.args)...)...)
		if !strings.Contains(out, c.want) || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: said %q", c.args, out)
		}
	}
}

// programSays runs the program, which is to end with a status, and returns what
// it said.
func programSays(t *testing.T, status int, args ...string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), programEnv+"=1")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != status {
		t.Errorf("%q: ended with %v, said %q, want status %d", args, err, out, status)
	}
	return string(out)
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
