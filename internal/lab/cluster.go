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

// clusterSize is how many nodes a cluster has.
const clusterSize = 3

// routePort is where the nodes of a cluster listen for each other.
const routePort = ":6222"

// startCluster starts a cluster; the contenders go to its first node, the feed
// to another.
func (t *trial) startCluster(ctx context.Context) error {
	var nodes []*node
	var routes []string
	for range clusterSize {
		host, err := t.newHost(false)
		if err != nil {
			return err
		}
		nodes = append(nodes, &node{host: host})
		routes = append(routes, host.Addr().String()+routePort)
		t.node, t.others = nodes[0], nodes[1:]
	}
	for k, n := range nodes {
		for _, other := range nodes[:k] {
			if err := n.host.Meet(other.host); err != nil {
				return err
			}
		}
		n.args = []string{ServeCommand, NATSServer, n.addr(), "--" + ClusterFlag, routes[k], "--" + RoutesFlag, strings.Join(routes, ",")}
		if t.way.lameDuck && k == 0 {
			n.args = append(n.args, "--"+LameDuckFlag)
		}
		if err := n.start(ctx); err != nil {
			return err
		}
	}
	for _, n := range nodes {
		if err := awaitNodes(ctx, n.addr(), clusterSize); err != nil {
			return err
		}
	}
	return nil
}

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
