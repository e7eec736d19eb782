package lab

import "testing"

const snmpTable = `Ip: Forwarding InReceives OutRequests
Ip: 1 17 19
Icmp: InMsgs
Icmp: 3
`

func TestCounter(t *testing.T) {
	if n, err := counter(snmpTable, "Ip:", "OutRequests"); n != 19 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, c := range [][2]string{{"Ip:", "InOctets"}, {"Udp:", "InReceives"}} {
		if n, err := counter(snmpTable, c[0], c[1]); err == nil {
			t.Errorf("%v: %d", c, n)
		}
	}
	if _, err := counter("Ip: A\nIp: many\n", "Ip:", "A"); err == nil {
		t.Error("a counter that is no number")
	}
}

func FuzzCounter(f *testing.F) {
	f.Add(snmpTable, "Ip:", "InReceives")
	f.Add("Ip: A B\nIp: 1\n", "Ip:", "B")
	f.Fuzz(func(t *testing.T, text, line, column string) { _, _ = counter(text, line, column) })
}
