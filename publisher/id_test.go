package publisher

import (
	"regexp"
	"strings"
	"testing"

	"vigil/internal/wire"
)

// Both ways to an id give a header block that is one, and a UUID of version 8;
// all differ, and rise.
func TestIDs(t *testing.T) {
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	var p, other ids
	p.init()
	other.init()
	last := ""
	for n := range 1000 {
		if n == 500 {
			p.count.Store(1 << 40) // every digit has its turn
		}
		block := p.appendBlock([]byte("front"))[len("front"):]
		want := Header{}
		if n%2 == 1 {
			want["A"] = []string{"b"}
			block = wire.AppendHeader(nil, want)
			block = p.appendLine(block[:len(block)-len("\r\n")])
		} else if len(block) != blockSize {
			t.Fatalf("a block of %d bytes, want %d", len(block), blockSize)
		}
		header, _, err := wire.ParseHeader(block)
		if err != nil {
			t.Fatalf("%q: %v", block, err)
		}
		id := header.Get(idHeader)
		switch {
		case !uuid.MatchString(id):
			t.Fatalf("%q is no UUID of version 8", id)
		case id <= last:
			t.Fatalf("%s came behind %s", id, last)
		case header.Get("A") != want.Get("A") || len(header) != 1+len(want):
			t.Fatalf("header %v", header)
		}
		last = id
	}
	if id := string(other.appendBlock(nil)[idAt:]); strings.HasPrefix(id, last[:countAt]) {
		t.Errorf("two publishers have the ids %s and %s", id, last)
	}
}
