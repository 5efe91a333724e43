package bgp

import "net/netip"

// Attributes are the path attributes of a route, decoded. A value that a Decoder returns may be shared by routes,
// sessions and goroutines, and never changes.
type Attributes struct {
	NextHop          netip.Addr  // NEXT_HOP or the global address of MP_REACH_NLRI, v4-mapped as IPv4; invalid when absent
	LinkLocalNextHop netip.Addr  // second address of a 32- or 48-octet next hop; invalid when absent
	OriginatorID     netip.Addr  // invalid when absent
	Aggregator       netip.Addr  // router that aggregated; invalid when absent
	ASPath           []uint32    // AS_SEQUENCE segments in order, AS4_PATH merged, confederation segments left out
	ASSet            []uint32    // members of AS_SET segments, in order of arrival
	Communities      []uint32    // sorted, no duplicates
	ExtCommunities   []uint64    // big-endian, sorted, no duplicates
	LargeCommunities [][3]uint32 // sorted, no duplicates
	ClusterList      []uint32    // as received, the nearest reflector first
	SRv6SIDs         []SRv6SID   // of the SRv6 services in Prefix-SID
	Unknown          []RawAttr   // attributes that are not decoded, as received
	AIGP             uint64      // accumulated IGP metric (RFC 7311), valid with HasAIGP
	LocalPref        uint32      // valid with HasLocalPref
	MED              uint32      // valid with HasMED
	OTC              uint32      // Only to Customer (RFC 9234), valid with HasOTC
	LabelIndex       uint32      // of Prefix-SID (RFC 8669), valid with HasLabelIndex
	AggregatorAS     uint32      // valid when Aggregator is
	PathLength       uint16      // of the decision process (RFC 4271 section 9.1.2.2 a): an AS_SET counts 1, confederations 0
	ClusterLength    uint8       // number of clusters in CLUSTER_LIST, at most 255
	Origin           uint8       // 0 IGP, 1 EGP, 2 incomplete, valid with HasOrigin
	HasOrigin        bool
	HasASPath        bool // AS_PATH was there, though perhaps empty
	HasLocalPref     bool
	HasMED           bool
	HasAIGP          bool
	HasOTC           bool
	HasLabelIndex    bool
	AtomicAggregate  bool
	V4Mapped         bool    // NextHop arrived as ::ffff:a.b.c.d, as it does for IPv6 routes over an IPv4 core
	noPath           bool    // AS_PATH is missing, which is not in outcome
	outcome          Outcome // worst of decoding: OutcomeOK, OutcomeDiscard or OutcomeTreatWithdraw
	panics           uint8   // how often gobgp had to be recovered
	widthGuessed     bool    // AS numbers were not of the likely width
	key              []byte  // what it was decoded from; Unknown points into it
}

// Key gives bytes that identify the attribute set: equal keys mean equal attributes. It consists of the AS width, the
// next hop of MP_REACH_NLRI and all other attributes as received, so two encodings of the same attributes differ. It is
// valid as long as a itself and must not be changed.
func (a *Attributes) Key() []byte { return a.key }

// Outcome says what RFC 7606 made of the attributes: OutcomeOK, OutcomeDiscard or OutcomeTreatWithdraw.
func (a *Attributes) Outcome() Outcome { return a.outcomeIn(&Params{}) }

// outcomeIn is Outcome with the mandatory AS_PATH, which routes of the router's own tables may lack.
func (a *Attributes) outcomeIn(p *Params) Outcome {
	if a.noPath && !p.OwnTable {
		return max(a.outcome, OutcomeTreatWithdraw)
	}
	return a.outcome
}

// attributesSize is about what an Attributes with empty slices takes, and its place in a cache.
const attributesSize = 560

// size estimates the memory that a holds.
func (a *Attributes) size() int {
	n := attributesSize + cap(a.key)
	n += 4 * (cap(a.ASPath) + cap(a.ASSet) + cap(a.Communities) + cap(a.ClusterList))
	n += 8*cap(a.ExtCommunities) + 12*cap(a.LargeCommunities)
	return n + 48*cap(a.SRv6SIDs) + 32*cap(a.Unknown)
}

// RawAttr is a path attribute as received.
type RawAttr struct {
	Flags uint8
	Type  uint8
	Value []byte // must not be changed
}

// SRv6SID is a segment identifier of an SRv6 service (RFC 9252 section 3.1). Where part of it travels in the route's
// label (section 4), TranspositionLength says how many bits, and Addr has zeros there.
type SRv6SID struct {
	Addr                netip.Addr
	Behavior            uint16 // endpoint behaviour, IANA "SRv6 Endpoint Behaviors"
	L2                  bool   // from an SRv6 L2 service instead of an L3 service
	BlockLength         uint8  // locator block, bits; this and the following are zero without a SID structure
	NodeLength          uint8
	FunctionLength      uint8
	ArgumentLength      uint8
	TranspositionLength uint8
	TranspositionOffset uint8
}

// Path attribute types (IANA "BGP Path Attributes") that this package knows by name.
const (
	attrOrigin          = 1
	attrASPath          = 2
	attrNextHop         = 3
	attrMED             = 4
	attrLocalPref       = 5
	attrAtomicAggregate = 6
	attrAggregator      = 7
	attrCommunities     = 8
	attrOriginatorID    = 9
	attrClusterList     = 10
	attrMPReach         = 14
	attrMPUnreach       = 15
	attrExtCommunities  = 16
	attrAS4Path         = 17
	attrAS4Aggregator   = 18
	attrAIGP            = 26
	attrLargeCommunity  = 32
	attrOTC             = 35
	attrPrefixSID       = 40
)

// Attribute flags (RFC 4271 section 4.3).
const (
	flagOptional   = 0x80
	flagTransitive = 0x40
	flagExtended   = 0x10
)

// errorOutcome says what an undecodable attribute does to its routes: RFC 7606 section 7 and the attributes' own RFCs
// (6793, 7311, 8669, 9252, 9234).
func errorOutcome(typ uint8) Outcome {
	switch typ {
	case attrOrigin, attrASPath, attrNextHop, attrMED, attrLocalPref, attrCommunities, attrOriginatorID,
		attrClusterList, attrExtCommunities, attrLargeCommunity, attrOTC:
		return OutcomeTreatWithdraw
	}
	return OutcomeDiscard
}

// mayBeEmpty reports whether an attribute without a value is well-formed (RFC 7606 section 4). What is not decoded may be anything.
func mayBeEmpty(typ uint8) bool {
	switch typ {
	case attrOrigin, attrNextHop, attrMED, attrLocalPref, attrAggregator, attrCommunities, attrOriginatorID, attrClusterList,
		attrExtCommunities, attrAS4Path, attrAS4Aggregator, attrAIGP, attrLargeCommunity, attrOTC, attrPrefixSID:
		return false
	}
	return true
}

// attrHeader reads the head of the first attribute of data: how long it is, and its value. ok is false when the
// attribute does not fit, which makes everything behind it unreadable.
func attrHeader(data []byte) (header, size int, ok bool) {
	if len(data) < 3 {
		return 0, 0, false
	}
	header, size = 3, int(data[2])
	if data[0]&flagExtended != 0 {
		if len(data) < 4 {
			return 0, 0, false
		}
		header, size = 4, int(data[2])<<8|int(data[3])
	}
	return header, size, len(data) >= header+size
}

// nextAttr splits the first attribute off data, which attrHeader has found whole.
func nextAttr(data []byte) (attr, value, rest []byte) {
	header, size, _ := attrHeader(data)
	end := header + size
	return data[:end:end], data[header:end:end], data[end:]
}
