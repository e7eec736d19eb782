// Package natsjs installs the official JavaScript client for NATS, as it is, for
// the lab's contender and the tests that use it.
//
//	dir, err := natsjs.Install(ctx)
//	cmd := exec.Command(natsjs.Node, filepath.Join(dir, "program.mjs"))
//
// A program finds the client if it is in a directory that has, or is linked to,
// the node_modules of the one that Install returns. The versions are those of a
// lock file, with the hashes of what is fetched.
package natsjs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Node is the program that runs JavaScript.
const Node = "node"

const (
	// leastNode is the oldest Node that the client runs on.
	leastNode = 18
	// installTimeout bounds "npm ci", which fetches five small packages.
	installTimeout = 3 * time.Minute
	// npmGrace is how long what npm has started may hold on to its output when it
	// was ended.
	npmGrace = 5 * time.Second
)

//go:embed module module/.npmrc
var module embed.FS

// Install returns the directory into which the client is installed, below the
// user's directory for caches, where it stays: the first call on a machine fetches
// it with npm. An error that is errors.ErrUnsupported says why this machine cannot
// run it: there is no Node, an old one, no npm, or nothing to fetch it from. It may
// be called by several processes at once.
func Install(ctx context.Context) (dir string, err error) {
	if err := checkNode(ctx); err != nil {
		return "", unsupported(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", unsupported(err)
	}
	files, err := readModule()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(cache, "vigil", "natsjs-"+version(files))
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("natsjs: %w", err)
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), "installing-")
	if err != nil {
		return "", fmt.Errorf("natsjs: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(fresh)) }()
	if err := fetch(ctx, fresh, files); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, dir); err != nil {
		if _, there := os.Stat(filepath.Join(dir, "node_modules")); there == nil {
			return dir, nil // another process was faster
		}
		return "", fmt.Errorf("natsjs: %w", err)
	}
	return dir, nil
}

// readModule returns what npm is to obey.
func readModule() (files map[string][]byte, err error) {
	files = make(map[string][]byte)
	err = fs.WalkDir(module, "module", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := module.ReadFile(path)
		files[filepath.Base(path)] = text
		return err
	})
	return files, err
}

// version tells one lock file from another.
func version(files map[string][]byte) string {
	sum := sha256.Sum256(files["package-lock.json"])
	return fmt.Sprintf("%x", sum[:6])
}

// fetch lets npm fill a directory.
func fetch(caller context.Context, dir string, files map[string][]byte) error {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return fmt.Errorf("natsjs: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(caller, installTimeout)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts")
	npm.Dir, npm.WaitDelay = dir, npmGrace
	if out, err := npm.CombinedOutput(); err != nil {
		if caller.Err() != nil {
			return fmt.Errorf("natsjs: npm ci: %w", caller.Err())
		}
		return unsupported(fmt.Errorf("npm ci: %w: %s", err, lastLines(out)))
	}
	return nil
}

// lastLines returns the end of what a program said, on one line.
func lastLines(out []byte) string {
	const most = 300
	out = bytes.TrimSpace(out)
	return strings.ToValidUTF8(strings.ReplaceAll(string(out[max(0, len(out)-most):]), "\n", "; "), "")
}

// checkNode returns why the client cannot run here, or nil.
func checkNode(ctx context.Context) error {
	if _, err := exec.LookPath("npm"); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, Node, "--version").Output()
	if err != nil {
		return fmt.Errorf("node --version: %w", err)
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < leastNode {
		return fmt.Errorf("node is %s, want %d or newer", bytes.TrimSpace(out), leastNode)
	}
	return nil
}

func unsupported(err error) error {
	return fmt.Errorf("natsjs: the JavaScript client needs Node %d and npm: %w: %w", leastNode, errors.ErrUnsupported, err)
}
