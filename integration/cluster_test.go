package integration_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"vigil/heartbeat"
	"vigil/internal/fault"
	"vigil/internal/lab"
	"vigil/publisher"
	"vigil/subscriber"
)

// cluster is three nats-servers with routes, each on a host of its own.
type cluster []*host

// routePort is where the members listen for routes.
const routePort = "6222"

func newCluster(t *testing.T) cluster {
	t.Helper()
	needPackets(t)
	c := make(cluster, 3)
	routes := make([]string, len(c))
	for i := range c {
		site, err := fault.NewSite(fault.PacketsDropped)
		must(t, err)
		t.Cleanup(func() { must(t, site.Close()) })
		c[i] = &host{broker: lab.NATSServer, mode: fault.PacketsDropped, site: site, addr: site.Addr()}
		ip, _, err := net.SplitHostPort(site.Addr())
		must(t, err)
		routes[i] = net.JoinHostPort(ip, routePort)
	}
	for i := range c {
		c[i].routes = strings.Join(append([]string{routes[i]}, slices.Delete(slices.Clone(routes), i, i+1)...), ",")
		c[i].start(t)
	}
	c.awaitRoutes(t)
	return c
}

// awaitRoutes waits until every member announces all.
func (c cluster) awaitRoutes(t *testing.T) {
	t.Helper()
	for _, h := range c {
		eventually(t, "the routes of "+h.addr, func() bool {
			conn, err := net.DialTimeout("tcp", h.addr, time.Second)
			if err != nil {
				return false
			}
			defer conn.Close()
			line, err := bufio.NewReader(conn).ReadString('\n')
			var info struct {
				ConnectURLs []string `json:"connect_urls"`
			}
			return err == nil && json.Unmarshal([]byte(strings.TrimPrefix(line, "INFO ")), &info) == nil &&
				len(info.ConnectURLs) == len(c)
		})
	}
}

// at returns the member with this URL.
func (c cluster) at(t *testing.T, url string) *host {
	t.Helper()
	for _, h := range c {
		if h.url() == url {
			return h
		}
	}
	t.Fatalf("%s is no member", url)
	return nil
}

// The node of a cluster to which clients are connected vanishes without a FIN:
// they are back on another node a moment after the verdict.
func TestClusterNodeVanishes(t *testing.T) {
	t.Parallel()
	const within, soon, clients = time.Second, 250 * time.Millisecond, 4
	samples := 20
	if *long {
		samples = 100
	}
	c := newCluster(t)
	beat := heartbeat.Within(within)
	var listeners []*listener
	for range clients {
		l := listen(t, c[0], subscriber.Config{Heartbeat: beat})
		l.collect(t, "numbers", "")
		listeners = append(listeners, l)
	}
	reconnected := make(chan time.Time, 100)
	stock, err := nats.Connect(c[0].url(), nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2), nats.MaxReconnects(-1),
		nats.ReconnectHandler(func(*nats.Conn) { reconnected <- time.Now() }))
	must(t, err)
	defer stock.Close()

	var ours, theirs []time.Duration
	for len(ours) < samples {
		h := c.at(t, listeners[0].Status().Server)
		here := stock.ConnectedUrl() == h.url()
		var concerned []*listener
		var places []int
		for _, l := range listeners {
			if l.Status().Server == h.url() {
				concerned, places = append(concerned, l), append(places, l.diary.here())
			}
		}
		vanished := h.vanish(t)
		for i, l := range concerned {
			resumed := l.diary.await(t, places[i], subscriber.EventResumed)
			lost := l.diary.await(t, places[i], subscriber.EventLost)
			took := resumed.told.Sub(vanished)
			ours = append(ours, took)
			allowed := beat.Bound() + soon + excuse(t, "a client", lost.Loss.Evidence, resumed.told)
			if took > allowed {
				t.Errorf("back %v after the node vanished, want %v; %v", took, allowed, &l.diary)
			}
			checkCause(t, "a client", lost, subscriber.CauseHostGone)
		}
		if here {
			theirs = append(theirs, (<-reconnected).Sub(vanished))
		}
		h.comeBack(t)
		c.awaitRoutes(t)
	}
	t.Logf("back after: %d of Vigil's with a bound of %v: %s; %d of nats.go's with 1 s and 2 PINGs: %s",
		len(ours), beat.Bound(), spread(ours), len(theirs), spread(theirs))
}

func spread(d []time.Duration) string {
	if len(d) == 0 {
		return "none"
	}
	d = slices.Sorted(slices.Values(d))
	return fmt.Sprintf("min %.3f s, median %.3f s, max %.3f s", d[0].Seconds(), d[len(d)/2].Seconds(), d[len(d)-1].Seconds())
}

// startMembers starts a cluster in this process.
func startMembers(t *testing.T, n int) (members []*server.Server) {
	t.Helper()
	for i := range n {
		o := &server.Options{
			Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, ServerName: fmt.Sprint("n", i),
			Cluster:          server.ClusterOpts{Name: "vigil", Host: "127.0.0.1", Port: server.RANDOM_PORT},
			LameDuckDuration: 5 * time.Second, LameDuckGracePeriod: 2 * time.Second,
		}
		if i > 0 {
			o.Routes = server.RoutesFromStr(fmt.Sprintf("nats-route://%v", members[0].ClusterAddr()))
		}
		s, err := server.NewServer(o)
		must(t, err)
		go s.Start()
		if !s.ReadyForConnections(patience) {
			t.Fatal("nats-server did not start")
		}
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		members = append(members, s)
	}
	eventually(t, "the routes", func() bool {
		return !slices.ContainsFunc(members, func(s *server.Server) bool { return s.NumRoutes() < n-1 })
	})
	return members
}

// A member of a cluster that is about to stop is left without missing anything,
// and without getting anything twice but what the routes bring late. A queue
// group may miss what is on its way to the lame duck, on a route, when its member
// there ends: nats-server passes over a message for a group that has nobody where
// it comes to. UNSUB and the end of a connection are alike in that.
func TestClusterLameDuck(t *testing.T) {
	members := startMembers(t, 3)
	lame, other := members[0], members[2]
	h := &host{addr: strings.TrimPrefix(lame.ClientURL(), "nats://")}
	l := listen(t, h, subscriber.Config{})
	got := l.collect(t, "numbers", "")
	queued := l.collect(t, "numbers", "group")
	f := startFeed(t, &host{addr: strings.TrimPrefix(other.ClientURL(), "nats://")}, publisher.Config{}, "numbers", 2, 10)
	got.await(t, 200)

	stopped := make(chan struct{})
	go func() { defer close(stopped); lame.LameDuckShutdown() }()
	resumed := l.diary.await(t, 0, subscriber.EventResumed)
	left := time.Now()
	got.await(t, f.next()+500)
	await(t, "the lame duck's end", stopped)
	n := f.finish(t)
	got.await(t, n-1)

	lost := l.diary.await(t, 0, subscriber.EventLost)
	if lost.Loss.Cause != subscriber.CauseLameDuck || resumed.Deaf() != 0 {
		t.Errorf("events:\n%s", &l.diary)
	}
	for name, list := range map[string][]int{"plain": got.list(t), "queue": queued.list(t)} {
		first := slices.Min(list)
		distinct := slices.Compact(slices.Sorted(slices.Values(list)))
		missing, onRoutes := n-first-len(distinct), 0
		if name == "queue" && resumed.Server != other.ClientURL() {
			onRoutes = 2
		}
		if missing > onRoutes {
			t.Errorf("%s: %d of %d messages are missing", name, missing, n)
		}
		if twice := len(list) - len(distinct); twice > 10 {
			t.Errorf("%s: %d messages came twice", name, twice)
		} else {
			t.Logf("%s: %d messages, %d missing, %d twice; left %v after the announcement", name, len(list), missing, twice, left.Sub(l.diary.await(t, 0, subscriber.EventLameDuck).told))
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, l.Flush(ctx))
}
