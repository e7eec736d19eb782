package lab

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ethernetHeader is what each packet costs on top, in bytes.
const ethernetHeader = 14

// readOctets returns how many bytes a process's host has sent and received, with
// Ethernet headers. It is what was meant for that host: what a switch sends to
// all, for want of knowing better, is no cost of a connection.
func readOctets(pid int) (bytes uint64, err error) {
	for _, count := range []struct {
		file, line string
		columns    []string
		weight     uint64
	}{
		{"netstat", "IpExt:", []string{"InOctets", "OutOctets"}, 1},
		{"snmp", "Ip:", []string{"InReceives", "OutRequests"}, ethernetHeader},
	} {
		file := fmt.Sprintf("/proc/%d/net/%s", pid, count.file)
		text, err := os.ReadFile(file)
		if err != nil {
			return 0, fmt.Errorf("lab: count bytes: %w", err)
		}
		for _, column := range count.columns {
			n, err := counter(string(text), count.line, column)
			if err != nil {
				return 0, fmt.Errorf("lab: count bytes: %s: %w", file, err)
			}
			bytes += n * count.weight
		}
	}
	return bytes, nil
}

// counter returns a counter from a table of proc_net_snmp(5), in which a line of
// names comes before a line of numbers.
func counter(text, line, column string) (uint64, error) {
	var names []string
	for l := range strings.Lines(text) {
		fields := strings.Fields(l)
		if len(fields) == 0 || fields[0] != line {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for k, name := range names {
			if name == column && k < len(fields) {
				return strconv.ParseUint(fields[k], 10, 64)
			}
		}
	}
	return 0, fmt.Errorf("no counter %s %s", line, column)
}
