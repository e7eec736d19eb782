package fault

import (
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// ifNameSize is IFNAMSIZ: the kernel compares interface names as 16 bytes.
const ifNameSize = 16

// filter is the switch's packet filter: an nftables chain of the bridge family
// on the forward hook, with one counting rule for each direction dropped. Its
// callers serialise changes per port.
type filter struct {
	// Fixed after construction.
	ns    netns.NsHandle // borrowed from the Switch
	table *nftables.Table
	chain *nftables.Chain
}

// newFilter describes the filter; create makes it.
func newFilter(ns netns.NsHandle) *filter {
	table := &nftables.Table{Name: "vigil", Family: nftables.TableFamilyBridge}
	accept := nftables.ChainPolicyAccept
	return &filter{ns: ns, table: table, chain: &nftables.Chain{
		Name:     "switch",
		Table:    table,
		Type:     nftables.ChainTypeFilter,
		Hooknum:  nftables.ChainHookForward,
		Priority: nftables.ChainPriorityFilter,
		Policy:   &accept,
	}}
}

// conn opens nothing yet: each use of a Conn is one short netlink connection.
func (f *filter) conn() (*nftables.Conn, error) {
	return nftables.New(nftables.WithNetNSFd(int(f.ns)))
}

// create makes the chain, and tries a rule so that a kernel that cannot drop
// says so now.
func (f *filter) create() error {
	c, err := f.conn()
	if err != nil {
		return err
	}
	c.AddTable(f.table)
	c.AddChain(f.chain)
	c.AddRule(f.rule("none", Both))
	c.AddRule(f.rule("none", ToHost))
	c.FlushChain(f.chain)
	return c.Flush()
}

// drop adds the rules for dir in one transaction.
func (f *filter) drop(port string, dir Direction) error {
	if dir == 0 {
		return nil
	}
	c, err := f.conn()
	if err != nil {
		return err
	}
	for _, one := range []Direction{ToHost, FromHost} {
		if dir&one != 0 {
			c.AddRule(f.rule(port, one))
		}
	}
	return c.Flush()
}

// pass removes the port's rules in one transaction and returns what they had
// counted.
func (f *filter) pass(port string) (packets uint64, err error) {
	c, rules, err := f.rules(port)
	if err != nil || len(rules) == 0 {
		return 0, err
	}
	for _, r := range rules {
		if err := c.DelRule(r); err != nil {
			return 0, err
		}
	}
	return sum(rules), c.Flush()
}

// count returns what the port's rules have counted so far.
func (f *filter) count(port string) (packets uint64, err error) {
	_, rules, err := f.rules(port)
	return sum(rules), err
}

// rules returns the port's rules with their counters.
func (f *filter) rules(port string) (*nftables.Conn, []*nftables.Rule, error) {
	c, err := f.conn()
	if err != nil {
		return nil, nil, err
	}
	all, err := c.GetRules(f.table, f.chain)
	if err != nil {
		return nil, nil, err
	}
	mine := all[:0]
	for _, r := range all {
		if name, _, _ := strings.Cut(string(r.UserData), "/"); name == port {
			mine = append(mine, r)
		}
	}
	return c, mine, nil
}

// rule drops and counts what enters (FromHost) or leaves (ToHost) the switch
// by port.
func (f *filter) rule(port string, dir Direction) *nftables.Rule {
	key := expr.MetaKeyOIFNAME
	if dir == FromHost {
		key = expr.MetaKeyIIFNAME
	}
	name := make([]byte, ifNameSize)
	copy(name, port)
	return &nftables.Rule{
		Table:    f.table,
		Chain:    f.chain,
		UserData: []byte(port + "/" + dir.String()),
		Exprs: []expr.Any{
			&expr.Meta{Key: key, Register: unix.NFT_REG_1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: name},
			&expr.Counter{},
			&expr.Verdict{Kind: expr.VerdictDrop},
		},
	}
}

// sum adds up the packet counters of rules.
func sum(rules []*nftables.Rule) (packets uint64) {
	for _, r := range rules {
		for _, e := range r.Exprs {
			if c, ok := e.(*expr.Counter); ok {
				packets += c.Packets
			}
		}
	}
	return packets
}
