package lab

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// tcpTable is what Linux shows in /proc/net/tcp: a listener, two connections to
// port 4222 (hexadecimal 107E), one of which its process has closed, and one to
// another port.
const tcpTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1111 1 0000000000000000 100 0 0 10 0
   1: 034D4D0A:C350 024D4D0A:107E 01 00000000:00000000 02:000005B4 00000000     0        0 2222 2 0000000000000000 20 4 30 10 -1
   2: 034D4D0A:C351 024D4D0A:107E 04 00000001:00000000 01:00000014 00000000     0        0 0 1 0000000000000000 20 4 30 10 -1
   3: 034D4D0A:C352 024D4D0A:0050 01 00000000:00000000 00:00000000 00000000     0        0 3333 1 0000000000000000 20 4 30 10 -1
`

func TestParseConnections(t *testing.T) {
	all := make(connections)
	if err := parseConnections([]byte(tcpTable), 4222, all); err != nil {
		t.Fatal(err)
	}
	if got := slices.Collect(maps.Keys(all)); !slices.Equal(got, []uint64{2222}) {
		t.Errorf("connections %v, want 2222", got)
	}
	for _, bad := range []string{"a\n", strings.Replace(tcpTable, ":107E 01", ":XYZ 01", 1), strings.Replace(tcpTable, "2222", "many", 1)} {
		if err := parseConnections([]byte(bad), 4222, all); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

func TestConnectionsChange(t *testing.T) {
	before, now := connections{1: true, 2: true}, connections{2: true, 3: true}
	if lost, made := before.changes(now); lost != 1 || made != 1 {
		t.Errorf("lost %d, made %d", lost, made)
	}
}

func FuzzParseConnections(f *testing.F) {
	f.Add([]byte(tcpTable))
	f.Add([]byte("a b c 01 e f g h i j"))
	f.Fuzz(func(t *testing.T, table []byte) {
		all := make(connections)
		_ = parseConnections(table, 4222, all)
		if all[0] {
			t.Error("an inode 0 is no process's connection")
		}
	})
}
