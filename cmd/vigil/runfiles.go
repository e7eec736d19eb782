package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"vigil/broker"
)

// runFiles are files that exist while the broker runs, for scripts.
type runFiles struct {
	// pid is where the process id is written, ports the directory for the
	// ports file; "" is nowhere.
	pid, ports string

	written []runFile
}

type runFile struct {
	path string
	text []byte
}

// write writes the files. When one cannot be written none is left.
func (f *runFiles) write(b *broker.Broker) error {
	if f.pid != "" {
		if err := f.add("pid file", f.pid, []byte(strconv.Itoa(os.Getpid()))); err != nil {
			return err
		}
	}
	if f.ports == "" {
		return nil
	}
	// As nats-server names and fills it.
	name := fmt.Sprintf("%s_%d.ports", filepath.Base(os.Args[0]), os.Getpid())
	var ports struct {
		NATS       []string `json:"nats,omitempty"`
		Monitoring []string `json:"monitoring,omitempty"`
	}
	ports.NATS = urls("nats", b.Addr())
	if addr := b.MonitorAddr(); addr != nil {
		ports.Monitoring = urls("http", addr)
	}
	text, err := json.Marshal(ports)
	if err == nil {
		err = f.add("ports file", filepath.Join(f.ports, name), text)
	}
	if err != nil {
		return errors.Join(err, f.remove())
	}
	return nil
}

// add writes one file such that nobody ever reads a part of it.
func (f *runFiles) add(what, path string, text []byte) error {
	fail := func(err error) error { return fmt.Errorf("%s: write: %w", what, err) }
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fail(err)
	}
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Chmod(0o644), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return fail(errors.Join(err, os.Remove(temp.Name())))
	}
	f.written = append(f.written, runFile{path, text})
	return nil
}

// remove removes what was written, unless another process has since written its
// own in the same place.
func (f *runFiles) remove() error {
	var all error
	for _, file := range f.written {
		text, err := os.ReadFile(file.path)
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && string(text) != string(file.text):
			continue
		case err == nil:
			err = os.Remove(file.path)
		}
		if err != nil {
			all = errors.Join(all, fmt.Errorf("remove: %w", err))
		}
	}
	f.written = nil
	return all
}

// urls returns where a listener is reached: if it listens on every interface, at
// each of their addresses.
func urls(scheme string, addr net.Addr) []string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return []string{scheme + "://" + addr.String()}
	}
	ips := []net.IP{tcp.IP}
	if tcp.IP.IsUnspecified() {
		if local, err := net.InterfaceAddrs(); err == nil {
			ips = nil
			for _, a := range local {
				if n, ok := a.(*net.IPNet); ok {
					ips = append(ips, n.IP)
				}
			}
		}
	}
	var list []string
	for _, ip := range ips {
		list = append(list, scheme+"://"+net.JoinHostPort(ip.String(), strconv.Itoa(tcp.Port)))
	}
	return list
}
