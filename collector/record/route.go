package record

import (
	"net/netip"
	"strconv"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/correlate/rib"
)

// sideKeys are the field names of one side of a flow, each with the punctuation around it.
type sideKeys struct {
	prefix, as, peerAS, asPath, asSet       string
	communities, extCommunities, largeComms string
	nextHop, localPref, med, origin         string
	rib, bgpPeer, pathID, routeTime         string
}

func keysOf(prefix string) sideKeys {
	number := func(name string) string { return `,"` + prefix + name + `":` }
	text := func(name string) string { return `,"` + prefix + name + `":"` }
	return sideKeys{
		prefix: number("prefix"), as: number("as"), peerAS: number("peer_as"),
		asPath: number("as_path"), asSet: number("as_set"),
		communities: number("communities"), extCommunities: number("ext_communities"),
		largeComms: number("large_communities"),
		nextHop:    number("next_hop"), localPref: number("local_pref"), med: number("med"), origin: text("origin"),
		rib: text("rib"), bgpPeer: number("bgp_peer"), pathID: number("path_id"), routeTime: text("route_time"),
	}
}

// side writes the route of one of a flow's two addresses.
type side struct {
	keys  sideKeys
	cache routeCache
}

// append writes the route's fields; a side without a route has none.
func (s *side) append(dst []byte, v *correlate.Side, dates *dateCache) []byte {
	if !v.Join.Hit() {
		return dst
	}
	m := &v.Match
	dst = appendPrefix(dst, s.keys.prefix, m.Prefix)
	if m.Attrs != nil {
		dst = s.appendAttrs(dst, m)
	}
	dst = appendWord(dst, s.keys.rib, m.View.String())
	dst = appendAddr(dst, s.keys.bgpPeer, m.Peer)
	if m.HasPathID {
		dst = appendUint(dst, s.keys.pathID, uint64(m.PathID))
	}
	if m.Time != 0 {
		dst = dates.append(dst, s.keys.routeTime, m.Time)
	}
	return dst
}

// appendAttrs writes the fields that depend on the path attributes alone, from the cache when they are there.
func (s *side) appendAttrs(dst []byte, m *rib.Match) []byte {
	slot := s.cache.slot(m.Attr)
	if slot != nil && slot.attrs == m.Attrs {
		return append(dst, slot.text...)
	}
	before := len(dst)
	dst = s.renderAttrs(dst, m.Attrs)
	if slot != nil {
		slot.store(m.Attrs, dst[before:])
	}
	return dst
}

func (s *side) renderAttrs(dst []byte, a *rib.Attrs) []byte {
	if n := len(a.ASPath); n > 0 {
		dst = appendUint(dst, s.keys.as, uint64(a.ASPath[n-1]))
		dst = appendUint(dst, s.keys.peerAS, uint64(a.ASPath[0]))
	}
	dst = appendNumbers(dst, s.keys.asPath, a.ASPath)
	if len(a.ASSet) > 0 {
		dst = appendNumbers(dst, s.keys.asSet, a.ASSet)
	}
	dst = appendCommunities(dst, s.keys.communities, a.Communities)
	dst = appendExtCommunities(dst, s.keys.extCommunities, a.ExtCommunities)
	dst = appendLargeCommunities(dst, s.keys.largeComms, a.LargeCommunities)
	dst = appendAddr(dst, s.keys.nextHop, a.NextHop)
	if a.HasLocalPref {
		dst = appendUint(dst, s.keys.localPref, uint64(a.LocalPref))
	}
	if a.HasMED {
		dst = appendUint(dst, s.keys.med, uint64(a.MED))
	}
	if a.HasOrigin {
		dst = s.appendOrigin(dst, a.Origin)
	}
	return dst
}

// appendOrigin leaves out a value that BGP does not define; RFC 7606 lets no such route into the RIB.
func (s *side) appendOrigin(dst []byte, origin uint8) []byte {
	switch origin {
	case rib.OriginIGP:
		return appendWord(dst, s.keys.origin, "igp")
	case rib.OriginEGP:
		return appendWord(dst, s.keys.origin, "egp")
	case rib.OriginIncomplete:
		return appendWord(dst, s.keys.origin, "incomplete")
	}
	return dst
}

// appendJoin says how the join went.
func appendJoin(dst []byte, r *correlate.Record) []byte {
	if r.Src.Join != correlate.JoinNone {
		dst = appendWord(dst, `,"join_src":"`, r.Src.Join.String())
	}
	if r.Dst.Join != correlate.JoinNone {
		dst = appendWord(dst, `,"join_dst":"`, r.Dst.Join.String())
	}
	dst = appendWord(dst, `,"rib_state":"`, r.RIB.String())
	switch {
	case r.Src.Join == correlate.JoinNone && r.Dst.Join == correlate.JoinNone:
		return dst
	case r.AsOfFlowEnd:
		return append(dst, `,"join_as_of":"flow-end"`...)
	}
	return append(dst, `,"join_as_of":"now"`...)
}

func appendPrefix(dst []byte, key string, p netip.Prefix) []byte {
	if !p.IsValid() {
		return dst
	}
	dst = append(dst, key...)
	dst = append(dst, '"')
	dst = appendIP(dst, p.Addr())
	dst = append(dst, '/')
	dst = strconv.AppendUint(dst, uint64(p.Bits()), 10)
	return append(dst, '"')
}
