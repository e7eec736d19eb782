package broker

import (
	"math"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// varz is the answer to /varz, in nats-server's form. What Vigil does not have
// is there and empty, since tools expect it.
type varz struct {
	ID                string        `json:"server_id"`
	Name              string        `json:"server_name"`
	Version           string        `json:"version"`
	Proto             int           `json:"proto"`
	Go                string        `json:"go"`
	Host              string        `json:"host"`
	Port              int           `json:"port"`
	ConnectURLs       []string      `json:"connect_urls,omitempty"`
	MaxConnections    int           `json:"max_connections"`
	MaxSubscriptions  int           `json:"max_subscriptions,omitempty"`
	PingInterval      time.Duration `json:"ping_interval"`
	PingMax           int           `json:"ping_max"`
	HTTPHost          string        `json:"http_host"`
	HTTPPort          int           `json:"http_port"`
	HTTPBasePath      string        `json:"http_base_path"`
	HTTPSPort         int           `json:"https_port"`
	AuthTimeout       float64       `json:"auth_timeout"`
	MaxControlLine    int32         `json:"max_control_line"`
	MaxPayload        int           `json:"max_payload"`
	MaxPending        int64         `json:"max_pending"`
	Cluster           struct{}      `json:"cluster"`
	Gateway           struct{}      `json:"gateway"`
	Leaf              struct{}      `json:"leaf"`
	MQTT              struct{}      `json:"mqtt"`
	Websocket         struct{}      `json:"websocket"`
	JetStream         struct{}      `json:"jetstream"`
	TLSTimeout        float64       `json:"tls_timeout"`
	WriteDeadline     time.Duration `json:"write_deadline"`
	Start             time.Time     `json:"start"`
	Now               time.Time     `json:"now"`
	Uptime            string        `json:"uptime"`
	Mem               int64         `json:"mem"`
	Cores             int           `json:"cores"`
	MaxProcs          int           `json:"gomaxprocs"`
	MemLimit          int64         `json:"gomemlimit,omitempty"`
	CPU               float64       `json:"cpu"`
	Connections       int           `json:"connections"`
	TotalConnections  uint64        `json:"total_connections"`
	Routes            int           `json:"routes"`
	Remotes           int           `json:"remotes"`
	Leafs             int           `json:"leafnodes"`
	InMsgs            int64         `json:"in_msgs"`
	InBytes           int64         `json:"in_bytes"`
	InClientMsgs      int64         `json:"in_client_msgs"`
	InClientBytes     int64         `json:"in_client_bytes"`
	OutMsgs           int64         `json:"out_msgs"`
	OutBytes          int64         `json:"out_bytes"`
	OutClientMsgs     int64         `json:"out_client_msgs"`
	OutClientBytes    int64         `json:"out_client_bytes"`
	SlowConsumers     int64         `json:"slow_consumers"`
	StaleConnections  int64         `json:"stale_connections"`
	StalledClients    int64         `json:"stalled_clients"`
	Subscriptions     uint32        `json:"subscriptions"`
	Requests          requests      `json:"http_req_stats"`
	ConfigLoadTime    time.Time     `json:"config_load_time"`
	ConfigDigest      string        `json:"config_digest"`
	SlowConsumerStats byKind        `json:"slow_consumer_stats"`
	StaleStats        byKind        `json:"stale_connection_stats"`
	DiskIOWaitStats   diskIO        `json:"disk_io_wait_stats"`
}

// requests counts them by path.
type requests map[string]uint64

// byKind counts connections by kind; Vigil has clients alone.
type byKind struct {
	Clients  uint64 `json:"clients"`
	Routes   uint64 `json:"routes"`
	Gateways uint64 `json:"gateways"`
	Leafs    uint64 `json:"leafs"`
}

// diskIO is empty: Vigil keeps nothing on disk.
type diskIO struct {
	Waiters     int64  `json:"waiters"`
	Waits       uint64 `json:"waits"`
	WaitTime    uint64 `json:"wait_time"`
	MaxWaitTime uint64 `json:"max_wait_time"`
}

// varz tells about the broker. It has a monitor.
func (b *Broker) varz() *varz {
	now := time.Now()
	v := &varz{
		ID: b.info.ServerID, Name: b.info.ServerName, Version: b.info.Version, Proto: b.info.Proto,
		Go: b.info.Go, Host: b.info.Host, Port: b.info.Port, ConnectURLs: b.cfg.ConnectURLs,
		MaxConnections: b.cfg.MaxConnections,
		PingInterval:   b.cfg.PingInterval, PingMax: b.cfg.PingMax,
		HTTPHost:       b.cfg.MonitorHost,
		AuthTimeout:    max(b.cfg.HandshakeTimeout, 0).Seconds(),
		MaxControlLine: int32(min(b.cfg.MaxControlLine, math.MaxInt32)),
		MaxPayload:     b.cfg.MaxPayload, MaxPending: int64(b.cfg.MaxPending),
		WriteDeadline: b.cfg.WriteDeadline,
		Start:         b.started.UTC(), ConfigLoadTime: b.started.UTC(), Now: now.UTC(),
		Uptime: uptime(now.Sub(b.started)),
		Cores:  runtime.NumCPU(), MaxProcs: runtime.GOMAXPROCS(0),
		Requests: make(requests),
	}
	if addr := b.MonitorAddr(); addr != nil {
		v.HTTPPort = addr.Port
	}
	if b.cfg.MaxSubscriptions < math.MaxInt {
		v.MaxSubscriptions = b.cfg.MaxSubscriptions
	}
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		v.MemLimit = limit
	}
	v.Mem, v.CPU = b.monitor.usage.now()
	for path, count := range b.monitor.asked {
		if n := count.Load(); n > 0 {
			v.Requests[path] = n
		}
	}
	b.tally(v)
	return v
}

// tally adds what is counted by client.
func (b *Broker) tally(v *varz) {
	// A client that ends in between is counted once: with those that have.
	b.mu.Lock()
	total, slow, stale := b.gone.total, b.gone.slow, b.gone.stale
	v.Connections, v.TotalConnections = len(b.clients)-b.rejects, b.lastID.Load()
	for _, c := range b.clients {
		total.add(c.traffic())
	}
	b.mu.Unlock()
	v.InMsgs, v.InBytes, v.OutMsgs, v.OutBytes = total.inMsgs, total.inBytes, total.outMsgs, total.outBytes
	v.InClientMsgs, v.InClientBytes, v.OutClientMsgs, v.OutClientBytes = v.InMsgs, v.InBytes, v.OutMsgs, v.OutBytes
	v.StalledClients = total.stalls
	v.SlowConsumers, v.SlowConsumerStats.Clients = int64(slow), slow
	v.StaleConnections, v.StaleStats.Clients = int64(stale), stale
	b.routes.mu.RLock()
	v.Subscriptions = uint32(min(b.routes.router.count, math.MaxUint32))
	b.routes.mu.RUnlock()
}

// uptime writes a duration in years of 365 days, days, hours, minutes and
// seconds, from the first that is not 0: 1y2d3h4m5s.
func uptime(d time.Duration) string {
	seconds := int64(max(d, 0) / time.Second)
	var text strings.Builder
	for _, unit := range []struct {
		name    byte
		seconds int64
	}{{'y', 365 * 86400}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}} {
		n := seconds / unit.seconds
		seconds %= unit.seconds
		if n > 0 || text.Len() > 0 || unit.name == 's' {
			text.WriteString(strconv.FormatInt(n, 10))
			text.WriteByte(unit.name)
		}
	}
	return text.String()
}

// What nats-server has beside clients is empty here. Tools ask for it all the
// same.
type (
	routez struct {
		ID        string     `json:"server_id"`
		Name      string     `json:"server_name"`
		Now       time.Time  `json:"now"`
		NumRoutes int        `json:"num_routes"`
		Routes    []struct{} `json:"routes"`
	}
	gatewayz struct {
		ID       string              `json:"server_id"`
		Now      time.Time           `json:"now"`
		Outbound map[string]struct{} `json:"outbound_gateways"`
		Inbound  map[string]struct{} `json:"inbound_gateways"`
	}
	leafz struct {
		ID       string     `json:"server_id"`
		Now      time.Time  `json:"now"`
		NumLeafs int        `json:"leafnodes"`
		Leafs    []struct{} `json:"leafs"`
	}
)

func (b *Broker) routez() *routez {
	return &routez{ID: b.info.ServerID, Name: b.info.ServerName, Now: time.Now().UTC(), Routes: []struct{}{}}
}

func (b *Broker) gatewayz() *gatewayz {
	return &gatewayz{b.info.ServerID, time.Now().UTC(), map[string]struct{}{}, map[string]struct{}{}}
}

func (b *Broker) leafz() *leafz {
	return &leafz{ID: b.info.ServerID, Now: time.Now().UTC(), Leafs: []struct{}{}}
}
