package record

import (
	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/correlate/rib"
)

// sideKeys are the keys of one side of a flow.
type sideKeys struct {
	prefix, as, peerAS, asPath, asSet       key
	communities, extCommunities, largeComms key
	nextHop, localPref, med, origin         key
	rib, bgpPeer, pathID, routeTime         key
}

func keysOf(prefix string) sideKeys {
	return sideKeys{
		prefix:         numberKey(prefix + "prefix"),
		as:             numberKey(prefix + "as"),
		peerAS:         numberKey(prefix + "peer_as"),
		asPath:         numberKey(prefix + "as_path"),
		asSet:          numberKey(prefix + "as_set"),
		communities:    numberKey(prefix + "communities"),
		extCommunities: numberKey(prefix + "ext_communities"),
		largeComms:     numberKey(prefix + "large_communities"),
		nextHop:        numberKey(prefix + "next_hop"),
		localPref:      numberKey(prefix + "local_pref"),
		med:            numberKey(prefix + "med"),
		origin:         textKey(prefix + "origin"),
		rib:            textKey(prefix + "rib"),
		bgpPeer:        numberKey(prefix + "bgp_peer"),
		pathID:         numberKey(prefix + "path_id"),
		routeTime:      textKey(prefix + "route_time"),
	}
}

// side writes the route of one of a flow's two addresses.
type side struct {
	letters [3]byte // that the names of its fields begin with
	keys    sideKeys
	cache   *routeCache // of both sides
}

func newSide(letters string, cache *routeCache) side {
	return side{letters: [3]byte([]byte(letters)), keys: keysOf(letters + "_"), cache: cache}
}

// append writes the route's fields; a side without a route has none.
func (s *side) append(dst []byte, v *correlate.Side, dates *dateCache) []byte {
	if !v.Join.Hit() {
		return dst
	}
	m := &v.Match
	dst = appendPrefix(dst, &s.keys.prefix, m.Prefix)
	if m.Attrs != nil {
		dst = s.appendAttrs(dst, m)
	}
	dst = appendWord(dst, &s.keys.rib, m.View.String())
	dst = appendAddr(dst, &s.keys.bgpPeer, m.Peer)
	if m.HasPathID {
		dst = appendUint(dst, &s.keys.pathID, uint64(m.PathID))
	}
	if m.Time != 0 {
		dst = dates.append(dst, &s.keys.routeTime, m.Time)
	}
	return dst
}

// appendAttrs writes the fields that depend on the path attributes alone, from the cache when they are there.
func (s *side) appendAttrs(dst []byte, m *rib.Match) []byte {
	dst, ok := s.cache.append(dst, m, s.letters)
	if ok {
		return dst
	}
	before := len(dst)
	dst = s.renderAttrs(dst, m.Attrs)
	s.cache.store(m, dst[before:], s.letters)
	return dst
}

func (s *side) renderAttrs(dst []byte, a *rib.Attrs) []byte {
	if n := len(a.ASPath); n > 0 {
		dst = appendUint(dst, &s.keys.as, uint64(a.ASPath[n-1]))
		dst = appendUint(dst, &s.keys.peerAS, uint64(a.ASPath[0]))
	}
	dst = appendNumbers(dst, &s.keys.asPath, a.ASPath)
	if len(a.ASSet) > 0 {
		dst = appendNumbers(dst, &s.keys.asSet, a.ASSet)
	}
	dst = appendCommunities(dst, &s.keys.communities, a.Communities)
	dst = appendExtCommunities(dst, &s.keys.extCommunities, a.ExtCommunities)
	dst = appendLargeCommunities(dst, &s.keys.largeComms, a.LargeCommunities)
	dst = appendAddr(dst, &s.keys.nextHop, a.NextHop)
	if a.HasLocalPref {
		dst = appendUint(dst, &s.keys.localPref, uint64(a.LocalPref))
	}
	if a.HasMED {
		dst = appendUint(dst, &s.keys.med, uint64(a.MED))
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
		return appendWord(dst, &s.keys.origin, "igp")
	case rib.OriginEGP:
		return appendWord(dst, &s.keys.origin, "egp")
	case rib.OriginIncomplete:
		return appendWord(dst, &s.keys.origin, "incomplete")
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
