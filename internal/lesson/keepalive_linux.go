package lesson

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// readKeepAlive returns what the kernel was told for a connection.
func readKeepAlive(conn net.Conn) (k KeepAlive, err error) {
	err = control(conn, func(fd int) error {
		var got [4]int
		for n, option := range []struct{ level, name int }{
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE}, {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}, {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL}, {unix.IPPROTO_TCP, unix.TCP_KEEPCNT},
		} {
			if got[n], err = unix.GetsockoptInt(fd, option.level, option.name); err != nil {
				return err
			}
		}
		if got[0] == 0 {
			return errors.New("SO_KEEPALIVE is not set")
		}
		k = KeepAlive{Idle: time.Duration(got[1]) * time.Second, Interval: time.Duration(got[2]) * time.Second, Count: got[3]}
		return nil
	})
	return k, err
}

// countSegments returns how many segments a connection has sent and received.
func countSegments(conn net.Conn) (s segments, err error) {
	err = control(conn, func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil {
			s = segments{sent: int(info.Segs_out), received: int(info.Segs_in)}
		}
		return err
	})
	return s, err
}

func control(conn net.Conn, f func(fd int) error) error {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return fmt.Errorf("%T is no socket", conn)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// systemKeepAlive returns the kernel's own settings.
func systemKeepAlive() (k KeepAlive, err error) {
	var got [3]int
	for n, name := range []string{"tcp_keepalive_time", "tcp_keepalive_intvl", "tcp_keepalive_probes"} {
		text, err := os.ReadFile("/proc/sys/net/ipv4/" + name)
		if err == nil {
			got[n], err = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		if err != nil {
			return k, fmt.Errorf("lesson: keep-alive: the kernel's settings: %w", err)
		}
	}
	return KeepAlive{Idle: time.Duration(got[0]) * time.Second, Interval: time.Duration(got[1]) * time.Second, Count: got[2]}, nil
}
