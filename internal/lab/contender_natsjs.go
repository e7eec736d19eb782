package lab

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"vigil/internal/fault"
	"vigil/internal/natsjs"
)

//go:embed contender.mjs
var natsJSProgram []byte

const (
	natsJSFile = "contender.mjs"
	modulesDir = "node_modules"
)

// errNoNATSJS is why nats.js does not take part.
var errNoNATSJS = errors.New("it is not installed here")

// natsJSOptions are the options of nats.js that the lab knows; zero is its default.
type natsJSOptions struct {
	PingInterval int64 `json:"pingInterval,omitempty"` // in milliseconds
	MaxPingOut   int   `json:"maxPingOut,omitempty"`
}

// natsJSContender is nats.js, the official JavaScript client, in Node. It is tried
// on nats-server alone: it takes a Node process each.
func natsJSContender(name, about string, worst time.Duration, computed string, o natsJSOptions) contender {
	return contender{name: name, about: about, worst: worst, computed: computed, only: NATSServer, natsJS: &o}
}

// IsNATSJS reports whether that contender is nats.js, which has to be installed.
func IsNATSJS(name string) bool {
	c, err := contenderNamed(name)
	return err == nil && c.natsJS != nil
}

// placeNATSJS makes the program and the modules that it needs available in the
// directory for files.
func (m Matrix) placeNATSJS(scratch string) error {
	if err := os.WriteFile(filepath.Join(scratch, natsJSFile), natsJSProgram, 0o600); err != nil {
		return fmt.Errorf("lab: nats.js: %w", err)
	}
	if err := os.Symlink(filepath.Join(m.NATSJS, modulesDir), filepath.Join(scratch, modulesDir)); err != nil {
		return fmt.Errorf("lab: nats.js: %w", err)
	}
	return nil
}

// natsJSCommand returns how a contestant that is nats.js is started. It publishes
// to the subject to, "" for nothing.
func (t *trial) natsJSCommand(x *contestant, to string) (fault.Command, error) {
	options, err := json.Marshal(x.natsJS)
	if err != nil {
		return fault.Command{}, fmt.Errorf("lab: nats.js: %w", err)
	}
	args := []string{filepath.Join(t.scratch, natsJSFile), x.name, t.node.addr(), subject, string(options)}
	if to != "" {
		args = append(args, to)
	}
	return fault.Command{Path: natsjs.Node, Args: args, Host: x.host, Stderr: x.diary}, nil
}
