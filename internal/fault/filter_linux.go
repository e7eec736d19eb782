package fault

import (
	"encoding/binary"
	"math"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// flagsOffset is where the flags are in a TCP header.
const flagsOffset = 13

// filter is one chain of nftables in a namespace. Its rules count, and each has
// a tag, a path such as "p2-/drop", by which it is found again. Callers
// serialise changes of the same tag.
type filter struct {
	// Fixed after construction.
	ns    netns.NsHandle // borrowed
	table *nftables.Table
	chain *nftables.Chain
}

// newFilter describes a filter that accepts by default; create makes it.
func newFilter(ns netns.NsHandle, family nftables.TableFamily, name string, hook *nftables.ChainHook, priority *nftables.ChainPriority) *filter {
	table := &nftables.Table{Name: "vigil", Family: family}
	accept := nftables.ChainPolicyAccept
	return &filter{ns: ns, table: table, chain: &nftables.Chain{
		Name:     name,
		Table:    table,
		Type:     nftables.ChainTypeFilter,
		Hooknum:  hook,
		Priority: priority,
		Policy:   &accept,
	}}
}

// newForwardFilter describes a filter of what a bridge or router passes on.
func newForwardFilter(ns netns.NsHandle, family nftables.TableFamily) *filter {
	return newFilter(ns, family, "forward", nftables.ChainHookForward, nftables.ChainPriorityFilter)
}

// newArrivalFilter describes a filter of the packets that arrive in a namespace,
// before anything else is done with them.
func newArrivalFilter(ns netns.NsHandle) *filter {
	return newFilter(ns, nftables.TableFamilyIPv4, "arrival", nftables.ChainHookPrerouting, nftables.ChainPriorityRaw)
}

// conn opens nothing yet: each use of a Conn is one short netlink connection.
func (f *filter) conn() (*nftables.Conn, error) {
	return nftables.New(nftables.WithNetNSFd(int(f.ns)))
}

// create makes the chain, and tries the rules given so that a kernel that
// cannot obey them says so now.
func (f *filter) create(tried ...*nftables.Rule) error {
	c, err := f.conn()
	if err != nil {
		return err
	}
	c.AddTable(f.table)
	c.AddChain(f.chain)
	for _, r := range tried {
		c.AddRule(r)
	}
	c.FlushChain(f.chain)
	return c.Flush()
}

// replace removes the rules at and under the tag old and adds the new ones, in
// one transaction, and returns what the removed ones had counted.
func (f *filter) replace(old string, add ...*nftables.Rule) (packets uint64, err error) {
	c, gone, err := f.rules(old)
	if err != nil || len(gone)+len(add) == 0 {
		return 0, err
	}
	for _, r := range gone {
		if err := c.DelRule(r); err != nil {
			return 0, err
		}
	}
	for _, r := range add {
		c.AddRule(r)
	}
	if err := c.Flush(); err != nil {
		return 0, err
	}
	return sum(gone), nil
}

// count returns what the rules at and under a tag have counted so far.
func (f *filter) count(tag string) (packets uint64, err error) {
	_, rules, err := f.rules(tag)
	return sum(rules), err
}

// rules returns the rules at and under a tag with their counters.
func (f *filter) rules(tag string) (*nftables.Conn, []*nftables.Rule, error) {
	c, err := f.conn()
	if err != nil {
		return nil, nil, err
	}
	all, err := c.GetRules(f.table, f.chain)
	if err != nil {
		return nil, nil, err
	}
	found := all[:0]
	for _, r := range all {
		if strings.HasPrefix(string(r.UserData)+"/", tag+"/") {
			found = append(found, r)
		}
	}
	return c, found, nil
}

// rule counts and then ends with verdict what matches all conditions.
func (f *filter) rule(tag string, verdict expr.Any, conditions ...[]expr.Any) *nftables.Rule {
	var all []expr.Any
	for _, c := range conditions {
		all = append(all, c...)
	}
	return &nftables.Rule{
		Table:    f.table,
		Chain:    f.chain,
		UserData: []byte(tag),
		Exprs:    append(all, &expr.Counter{}, verdict),
	}
}

// dropped is the verdict of a switch that drops.
func dropped() expr.Any { return &expr.Verdict{Kind: expr.VerdictDrop} }

// onPort matches what enters (FromHost) or leaves (ToHost) by the links whose
// names begin with prefix.
func onPort(prefix string, dir Direction) []expr.Any {
	key := expr.MetaKeyOIFNAME
	if dir == FromHost {
		key = expr.MetaKeyIIFNAME
	}
	return []expr.Any{
		&expr.Meta{Key: key, Register: unix.NFT_REG_1},
		equal([]byte(prefix)),
	}
}

// atRandom matches a share of all packets, greater than 0 and at most 1. All 32
// bits of the number are random, so the order of its bytes does not matter.
func atRandom(share float64) []expr.Any {
	last := uint32(max(1, math.Round(share*(1<<32))) - 1)
	return []expr.Any{
		&expr.Numgen{Register: unix.NFT_REG_1, Modulus: math.MaxUint32, Type: unix.NFT_NG_RANDOM},
		&expr.Cmp{Op: expr.CmpOpLte, Register: unix.NFT_REG_1, Data: binary.BigEndian.AppendUint32(nil, last)},
	}
}

// longerThan matches packets of more than so many bytes, without their Ethernet
// header.
func longerThan(size int) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyLEN, Register: unix.NFT_REG_1},
		&expr.Byteorder{SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Op: expr.ByteorderHton, Len: 4, Size: 4},
		&expr.Cmp{Op: expr.CmpOpGt, Register: unix.NFT_REG_1, Data: binary.BigEndian.AppendUint32(nil, uint32(size))},
	}
}

// tcpFlags matches segments of TCP over IPv4 that have any of the flags
// (expr.CmpOpNeq) or none of them (expr.CmpOpEq).
func tcpFlags(op expr.CmpOp, flags Flags) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: unix.NFT_REG_1},
		equal(binary.BigEndian.AppendUint16(nil, unix.ETH_P_IP)),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: unix.NFT_REG_1},
		equal([]byte{unix.IPPROTO_TCP}),
		&expr.Payload{DestRegister: unix.NFT_REG_1, Base: expr.PayloadBaseTransportHeader, Offset: flagsOffset, Len: 1},
		&expr.Bitwise{SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Len: 1, Mask: []byte{byte(flags)}, Xor: []byte{0}},
		&expr.Cmp{Op: op, Register: unix.NFT_REG_1, Data: []byte{0}},
	}
}

// equal compares the first register with data, as far as data goes.
func equal(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: data}
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
