package publisher

import (
	"regexp"
	"testing"
)

// Ids are UUIDs of version 8, differ, ascend, and count on where their digits do.
func TestIDs(t *testing.T) {
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	var a, b ids
	a.init()
	b.init()
	if a.text == b.text {
		t.Error("two publishers have the same random half")
	}
	last := ""
	for _, jump := range []uint64{0, 1, 2, 15, 16, 255, 1 << 16, 1<<48 - 2, 1<<48 - 1, 1 << 48, 1<<60 - 1, 1 << 60, 1<<62 - 2} {
		a.count.Store(jump)
		id := string(a.append([]byte("x")))[1:]
		if !uuid.MatchString(id) {
			t.Errorf("%d: %q is no UUID of version 8", jump, id)
		}
		if id <= last {
			t.Errorf("%d: %q comes behind %q", jump, id, last)
		}
		last = id
	}
	if want := string(a.text[:18]) + "-bfff-ffffffffffff"; last != want {
		t.Errorf("the last is %q, want %q", last, want)
	}
	if n := testing.AllocsPerRun(100, func() { var room [64]byte; _ = a.append(room[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
