package bench

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
)

// FindRedis returns the path of redis-server. The error says why there is none
// to be measured.
func FindRedis() (string, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", fmt.Errorf("redis-server is not installed")
	}
	return path, nil
}

// BecomeRedis tells an address on out and replaces this process by a
// redis-server that listens there, keeps nothing and drops nobody. The kernel
// ends it with its parent. It returns only if that failed.
func BecomeRedis(path string, out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("bench: redis: %w", err)
	}
	addr := l.Addr().(*net.TCPAddr)
	if err := l.Close(); err != nil {
		return fmt.Errorf("bench: redis: %w", err)
	}
	if _, err := fmt.Fprintf(out, "redis://%s\n", addr); err != nil {
		return fmt.Errorf("bench: redis: tell the address: %w", err)
	}
	err = syscall.Exec(path, []string{path,
		"--bind", "127.0.0.1", "--port", fmt.Sprint(addr.Port), "--save", "", "--appendonly", "no",
		"--protected-mode", "no", "--daemonize", "no", "--loglevel", "warning",
		"--client-output-buffer-limit", "pubsub 0 0 0",
	}, os.Environ())
	return fmt.Errorf("bench: redis: %s: %w", path, err)
}
