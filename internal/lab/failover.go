package lab

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Failover has the node of a cluster of nats-servers vanish to which the named
// contender is connected, without a FIN. It returns how long after that the
// contender was connected to another node, and within what time it ought to be.
// The process must be isolated (fault.RunIsolated).
func Failover(ctx context.Context, contender string) (took, within time.Duration, err error) {
	c, err := contenderNamed(contender)
	if err != nil {
		return 0, 0, err
	}
	m := Matrix{Faults: []string{"power-off"}, Contenders: []string{contender}, Brokers: []string{NATSCluster}, Activities: []Activity{Receiving}}
	found, err := m.Run(ctx)
	if err != nil {
		return 0, 0, err
	}
	within = c.worst + soonBack
	for _, cell := range found.Cells {
		if cell.ReconnectedMS != nil {
			return time.Duration(*cell.ReconnectedMS) * time.Millisecond, within, nil
		}
	}
	return 0, within, fmt.Errorf("lab: failover: %s was not connected to another node within the run: %q", contender, slices.Concat(found.Failed, found.Skipped))
}
