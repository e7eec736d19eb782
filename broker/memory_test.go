package broker

import (
	"slices"
	"testing"
)

func TestMemTotal(t *testing.T) {
	for text, want := range map[string]int64{
		"MemTotal:       24684296 kB\nMemFree: 1 kB\n": 24684296 << 10,
		"MemFree: 1 kB\nMemTotal: 7 kB":                7 << 10,
		"MemTotal: 7\n":                                0,
		"MemTotal: -7 kB\n":                            -7 << 10, // which is not more than 0
		"MemTotal: x kB\n":                             0,
		"":                                             0,
	} {
		if got := memTotal([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestCgroupLimits(t *testing.T) {
	for text, want := range map[string][]string{
		"0::/a/b\n": {"/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup/memory.max"},
		"0::/\n":    {"/sys/fs/cgroup/memory.max"},
		"5:cpu:/c\n4:memory:/x\n": {
			"/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes"},
		"0::/../..\n": {"/sys/fs/cgroup/memory.max"}, // above a container's own root
		"junk\n":      nil,
		"":            nil,
	} {
		if got := cgroupLimits([]byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestMachineMemory(t *testing.T) {
	if got := machineMemory(); got < 64<<20 {
		t.Errorf("the machine has %d bytes", got)
	}
	if cfg := (Config{}).WithDefaults(); cfg.MemoryBudget < 4*cfg.MaxPayload || cfg.validate() != nil {
		t.Errorf("the default budget is %d: %v", cfg.MemoryBudget, cfg.validate())
	}
}
