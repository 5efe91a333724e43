package rib

import "net/netip"

// AttrID names a set of path attributes in an Intern table. Zero is no set.
type AttrID uint32

// Match is the route that answers a lookup.
type Match struct {
	Prefix    netip.Prefix
	Attrs     *Attrs // shared and immutable
	Attr      AttrID // of Attrs; may name another set after the next change of the RIB
	View      View
	Peer      netip.Addr // BGP peer address of the view; invalid for Loc-RIB
	PathID    uint32     // ADD-PATH identifier (RFC 7911), valid with HasPathID
	HasPathID bool
	State     State // Stale when the route is of an earlier dump or its session is lost, else that of its source
	ByNextHop bool  // the path was chosen by the next hop that the flow named
	AsOf      bool  // by LookupAt: the answer is of the time asked for, not of now
	Time      int64 // when the route was learnt, Unix nanoseconds by the device's clock
}
