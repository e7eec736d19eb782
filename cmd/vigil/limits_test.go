package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"vigil/broker"
)

func TestLimitFlags(t *testing.T) {
	for text, want := range map[string]broker.Config{
		"":                                 {},
		"--max_payload 8MB":                {MaxPayload: 8 << 20},
		"--max_payload=512K":               {MaxPayload: 512_000},
		"--max_control_line 8kb":           {MaxControlLine: 8192},
		"--max_connections 10":             {MaxConnections: 10},
		"--max_subscriptions 10":           {MaxSubscriptions: 10},
		"--max_subscriptions 0":            {},
		"--max_sub_tokens 16":              {MaxSubTokens: 16},
		"--max_sub_tokens -1":              {},
		"--max_pending 1GB":                {MaxPending: 1 << 30},
		"--write_deadline 2s":              {WriteDeadline: 2 * time.Second},
		"--ping_interval 2m":               {PingInterval: 2 * time.Minute},
		"--ping_max 3":                     {PingMax: 3},
		"--memory_budget 2G":               {MemoryBudget: 2_000_000_000},
		"--memory_budget 0":                {MemoryBudget: -1},
		"--memory_budget -1":               {MemoryBudget: -1},
		"--handshake_timeout 1500ms":       {HandshakeTimeout: 1500 * time.Millisecond},
		"--handshake_timeout 0":            {HandshakeTimeout: -1},
		"--lame_duck_grace_period 0s":      {LameDuckGrace: -1},
		"--lame_duck_grace_period 1s":      {LameDuckGrace: time.Second},
		"--lame_duck_duration 1m":          {LameDuckDuration: time.Minute},
		"--max_payload 1 --max_payload 2K": {MaxPayload: 2000},
	} {
		var cfg broker.Config
		if err := limitFlags(&cfg).Parse(strings.Fields(text)); err != nil || !reflect.DeepEqual(cfg, want) {
			t.Errorf("%q: %+v (error %v), want %+v", text, cfg, err, want)
		}
	}
}

// What a flag is by default, --help says truly.
func TestLimitFlagsTellTheDefaults(t *testing.T) {
	cfg, std := broker.Config{}, broker.Config{}.WithDefaults()
	told := 0
	limitFlags(&cfg).VisitAll(func(f *pflag.Flag) {
		if f.DefValue == "" {
			return
		}
		told++
		if err := f.Value.Set(f.DefValue); err != nil {
			t.Errorf("--%s %s: %v", f.Name, f.DefValue, err)
		}
	})
	set := cfg
	if told != 10 {
		t.Errorf("%d flags tell their default", told)
	}
	set.MemoryBudget, std.MemoryBudget, set.Logger, std.Logger = 0, 0, nil, nil
	set = set.WithDefaults()
	set.MemoryBudget, set.Logger = 0, nil
	if !reflect.DeepEqual(set, std) {
		t.Errorf("by the flags  %+v\nby the broker %+v", set, std)
	}
}

// A wrong value is told in one line that names the flag and what is wanted.
func TestWrongLimits(t *testing.T) {
	const size, number, span = "want a size such as 512K or 64MB", "want a number", "want a duration such as 10s or 500ms"
	for text, want := range map[string]string{
		"--max_payload x":              `"--max_payload" flag: ` + size,
		"--max_payload=":               `"--max_payload" flag: ` + size,
		"--max_payload 1.5M":           `"--max_payload" flag: ` + size,
		"--max_payload 0":              `"--max_payload" flag: want more than 0`,
		"--max_payload -5":             `"--max_payload" flag: want more than 0`,
		"--max_payload 9999999999GB":   `"--max_payload" flag: want at most 1048576GB`,
		"--max_control_line 0":         `"--max_control_line" flag: want more than 0`,
		"--max_connections many":       `"--max_connections" flag: ` + number,
		"--max_connections 1e3":        `"--max_connections" flag: ` + number,
		"--max_connections 4294967296": `"--max_connections" flag: want at most 2147483647`,
		"--max_subscriptions x":        `"--max_subscriptions" flag: ` + number + ", or 0 for no limit",
		"--max_sub_tokens x":           `"--max_sub_tokens" flag: ` + number + ", or 0 for no limit",
		"--max_pending x":              `"--max_pending" flag: ` + size,
		"--write_deadline 5":           `"--write_deadline" flag: ` + span,
		"--write_deadline 0":           `"--write_deadline" flag: want more than 0`,
		"--ping_interval 1ms":          `"--ping_interval" flag: want at least 10ms`,
		"--ping_interval 99999h":       `"--ping_interval" flag: want at most 1000h0m0s`,
		"--ping_max 0":                 `"--ping_max" flag: want more than 0`,
		"--ping_max 1001":              `"--ping_max" flag: want at most 1000`,
		"--memory_budget lots":         `"--memory_budget" flag: ` + size + ", or 0 for no limit",
		"--handshake_timeout soon":     `"--handshake_timeout" flag: ` + span + ", or 0 for no limit",
		"--lame_duck_grace_period x":   `"--lame_duck_grace_period" flag: ` + span + ", or 0 for no limit",
		"--lame_duck_duration 0s":      `"--lame_duck_duration" flag: want more than 0`,
		// Those that only the broker can tell.
		"--max_payload 65MB":       "--max_payload 68157440: want at most 67108864",
		"--max_pending 5":          "--max_pending 5: want at least --max_payload, 1048576",
		"--memory_budget 5":        "--memory_budget 5: want at least 4 times --max_payload, 4194304, or 0 for no limit",
		"--lame_duck_duration 10s": "--lame_duck_duration 10s: want more than --lame_duck_grace_period, 10s",
		"--ping_interval 1000h --ping_max 1000 --lame_duck_duration 1s": "--lame_duck_duration 1s: want more than --lame_duck_grace_period, 10s",
	} {
		var cfg broker.Config
		err := limitFlags(&cfg).Parse(strings.Fields(text))
		if err == nil {
			cfg.Port = broker.RandomPort
			_, err = broker.Start(cfg)
			wrong, ok := errors.AsType[*broker.ConfigError](err)
			if !ok {
				t.Errorf("%s: %v", text, err)
				continue
			}
			err = wrongFlags(wrong)
		}
		if !strings.HasSuffix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// The limits reach the broker, and --help tells of each.
func TestBrokerObeysItsFlags(t *testing.T) {
	dir := t.TempDir()
	runBroker(t, "-p", "-1", "-m", "-1", "--ports_file_dir", dir, "--max_payload", "2MB", "--max_control_line", "1KB",
		"--max_connections", "7", "--max_subscriptions", "5", "--max_pending", "3MB", "--write_deadline", "3s", "--ping_interval", "17s", "--ping_max", "4")
	files, err := filepath.Glob(filepath.Join(dir, "*.ports"))
	if err != nil || len(files) != 1 {
		t.Fatalf("ports files %v (error %v)", files, err)
	}
	var ports struct{ Monitoring []string }
	if err := json.Unmarshal([]byte(read(t, files[0])), &ports); err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get(ports.Monitoring[0] + "/varz")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	for _, want := range []string{
		`"max_payload": 2097152,`, `"max_control_line": 1024,`, `"max_connections": 7,`, `"max_subscriptions": 5,`,
		`"max_pending": 3145728,`, `"write_deadline": 3000000000,`, `"ping_interval": 17000000000,`, `"ping_max": 4,`,
	} {
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("no %s in %s (error %v)", want, body, err)
		}
	}
	help := programSays(t, 0, "broker", "--help")
	limitFlags(new(broker.Config)).VisitAll(func(f *pflag.Flag) {
		if _, group, _ := strings.Cut(help, "\nLimits:\n"); !strings.Contains(group, "--"+f.Name+" ") {
			t.Errorf("no %s among the limits in %s", f.Name, help)
		}
	})
	if flags, _, _ := strings.Cut(help, "\nLimits:\n"); !strings.Contains(flags, "\nFlags:\n") || !strings.Contains(flags, "--http_port") {
		t.Errorf("no flags in %s", help)
	}
}
