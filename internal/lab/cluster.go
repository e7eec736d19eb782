package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"time"
)

// awaitNodes waits until the server at addr announces n nodes of its cluster.
func awaitNodes(ctx context.Context, addr string, n int) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		known, err := knownNodes(ctx, addr)
		if err == nil && known >= n {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lab: cluster: %s knows %d of %d nodes after %v: %w", addr, known, n, startTimeout, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// knownNodes returns how many nodes the server announces in its INFO.
func knownNodes(ctx context.Context, addr string) (int, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	line, err := bufio.NewReaderSize(conn, streamBuffer).ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	var info struct {
		ConnectURLs []string `json:"connect_urls"`
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(string(line), "INFO ")), &info); err != nil {
		return 0, err
	}
	return len(info.ConnectURLs), nil
}
