package record

import (
	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/correlate/rib"
)

// The fields that depend on the path attributes alone.
const (
	attrAS = iota
	attrPeerAS
	attrASPath
	attrASSet
	attrCommunities
	attrExtCommunities
	attrLargeCommunities
	attrNextHop
	attrLocalPref
	attrMED
	attrOrigin
	numAttrKeys
)

// attrKeys are the keys of those fields on one side of a flow.
type attrKeys [numAttrKeys]key

// at returns the index of the key that text begins with, or -1.
func (k *attrKeys) at(text []byte) int {
	for i := range k {
		if k[i].begins(text) {
			return i
		}
	}
	return -1
}

// stemSize is how much all keys of a side begin with. Values do not have it: they are numbers, addresses and texts of ours.
const stemSize = len(`,"src_`)

// side writes the route of one of a flow's two addresses.
type side struct {
	prefix, rib, bgpPeer, pathID, routeTime key
	attrs                                   attrKeys
	cache                                   routeCache // of both sides
}

// newSide makes the side whose field names begin with "src_" or "dst_".
func newSide(prefix string, cache routeCache) side {
	return side{
		prefix:    numberKey(prefix + "prefix"),
		rib:       textKey(prefix + "rib"),
		bgpPeer:   numberKey(prefix + "bgp_peer"),
		pathID:    numberKey(prefix + "path_id"),
		routeTime: textKey(prefix + "route_time"),
		attrs: attrKeys{
			attrAS:               numberKey(prefix + "as"),
			attrPeerAS:           numberKey(prefix + "peer_as"),
			attrASPath:           numberKey(prefix + "as_path"),
			attrASSet:            numberKey(prefix + "as_set"),
			attrCommunities:      numberKey(prefix + "communities"),
			attrExtCommunities:   numberKey(prefix + "ext_communities"),
			attrLargeCommunities: numberKey(prefix + "large_communities"),
			attrNextHop:          numberKey(prefix + "next_hop"),
			attrLocalPref:        numberKey(prefix + "local_pref"),
			attrMED:              numberKey(prefix + "med"),
			attrOrigin:           textKey(prefix + "origin"),
		},
		cache: cache,
	}
}

// append writes the route's fields; a side without a route has none.
func (s *side) append(dst []byte, v *correlate.Side, dates *dateCache) []byte {
	if !v.Join.Hit() {
		return dst
	}
	m := &v.Match
	dst = appendPrefix(dst, &s.prefix, m.Prefix)
	if m.Attrs != nil {
		dst = s.appendAttrs(dst, m)
	}
	dst = appendWord(dst, &s.rib, m.View.String())
	dst = appendAddr(dst, &s.bgpPeer, m.Peer)
	if m.HasPathID {
		dst = appendUint(dst, &s.pathID, uint64(m.PathID))
	}
	if m.Time != 0 {
		dst = dates.append(dst, &s.routeTime, m.Time)
	}
	return dst
}

// appendAttrs writes the fields that depend on the path attributes alone, from the cache when they are there.
func (s *side) appendAttrs(dst []byte, m *rib.Match) []byte {
	dst, ok := s.cache.append(dst, m, &s.attrs)
	if ok {
		return dst
	}
	before := len(dst)
	dst = s.renderAttrs(dst, m.Attrs)
	s.cache.store(m, dst[before:], &s.attrs)
	return dst
}

func (s *side) renderAttrs(dst []byte, a *rib.Attrs) []byte {
	if n := len(a.ASPath); n > 0 {
		dst = appendUint(dst, &s.attrs[attrAS], uint64(a.ASPath[n-1]))
		dst = appendUint(dst, &s.attrs[attrPeerAS], uint64(a.ASPath[0]))
	}
	dst = appendNumbers(dst, &s.attrs[attrASPath], a.ASPath)
	if len(a.ASSet) > 0 {
		dst = appendNumbers(dst, &s.attrs[attrASSet], a.ASSet)
	}
	dst = appendCommunities(dst, &s.attrs[attrCommunities], a.Communities)
	dst = appendExtCommunities(dst, &s.attrs[attrExtCommunities], a.ExtCommunities)
	dst = appendLargeCommunities(dst, &s.attrs[attrLargeCommunities], a.LargeCommunities)
	dst = appendAddr(dst, &s.attrs[attrNextHop], a.NextHop)
	if a.HasLocalPref {
		dst = appendUint(dst, &s.attrs[attrLocalPref], uint64(a.LocalPref))
	}
	if a.HasMED {
		dst = appendUint(dst, &s.attrs[attrMED], uint64(a.MED))
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
		return appendWord(dst, &s.attrs[attrOrigin], "igp")
	case rib.OriginEGP:
		return appendWord(dst, &s.attrs[attrOrigin], "egp")
	case rib.OriginIncomplete:
		return appendWord(dst, &s.attrs[attrOrigin], "incomplete")
	}
	return dst
}

// appendRD writes a route distinguisher as [rib.RD.String] does.
func appendRD(dst []byte, k *key, rd rib.RD) []byte {
	b, n := k.open(dst)
	n = putUint(b, n, uint64(rd>>48))
	b[n] = ':'
	adminBits, valueBits := 32, 16
	if rd>>48 == 0 {
		adminBits, valueBits = 16, 32
	}
	admin := uint64(rd) << 16 >> (64 - adminBits)
	if rd>>48 == 1 {
		n = putIPv4(b, n+1, uint32(admin))
	} else {
		n = putUint(b, n+1, admin)
	}
	b[n] = ':'
	n = putUint(b, n+1, uint64(rd)&(1<<valueBits-1))
	b[n] = '"'
	return b[:n+1]
}
