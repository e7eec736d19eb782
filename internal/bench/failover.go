package bench

import (
	"context"
	"time"
)

// playFailover is the round of a contender that speaks [Failover]: it is one figure.
func (c Contender) playFailover(ctx context.Context) (sample, error) {
	s := noSample()
	took, within, err := c.FailOver(ctx)
	if err != nil {
		return s, err
	}
	s.p50 = float64(took.Microseconds())
	s.inTime = took <= within
	return s, nil
}

// failoverTime is about how long a round takes: a cluster starts, a node vanishes,
// and clients come back.
const failoverTime = 9 * time.Second
