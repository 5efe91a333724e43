package bmp

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/telcol/telcol/bmp/bgp"
)

// Statistics is a Statistics Report (RFC 7854 section 4.8): what the router counts for one peer or one of its tables. It may be
// kept. When Decode returns an error with it, Stats are those in front of the fault.
type Statistics struct {
	Peer
	Stats []Statistic
}

// MessageType returns TypeStatistics.
func (*Statistics) MessageType() MessageType { return TypeStatistics }

// Statistic is one counter or gauge.
type Statistic struct {
	Type   uint16 // IANA "BMP Statistics Types", see Name
	Family Family // of those that are kept by family, else zero
	Value  uint64 // valid when Raw is nil; 32 or 64 bits on the wire
	Raw    []byte // the value, when its length is none that a number has; nil otherwise
}

// Types of statistics that count routes, for comparison with one's own tables.
const (
	StatAdjRIBIn            uint16 = 7  // routes in Adj-RIB-In
	StatLocRIB              uint16 = 8  // routes in Loc-RIB
	StatAdjRIBInFamily      uint16 = 9  // by family
	StatLocRIBFamily        uint16 = 10 // by family
	StatAdjRIBOutPre        uint16 = 14 // RFC 8671
	StatAdjRIBOutPost       uint16 = 15
	StatAdjRIBOutPreFamily  uint16 = 16
	StatAdjRIBOutPostFamily uint16 = 17
	StatAdjRIBInPre         uint16 = 18 // RFC 9972
	StatAdjRIBInPreFamily   uint16 = 19
	StatAdjRIBInPost        uint16 = 20
	StatAdjRIBInPostFamily  uint16 = 21
)

// Name gives a short name of the type, "stat-N" for unknown ones.
func (s *Statistic) Name() string {
	if int(s.Type) < len(statNames) {
		return statNames[s.Type]
	}
	return "stat-" + strconv.Itoa(int(s.Type))
}

// Counts tells which RIB of the report's peer the statistic counts the routes of, all families together or Family alone; ok is
// false for all other statistics. Types 7 and 9 are from the time when a report had no way to say whether it is about routes
// before or after policy other than its flags.
func (s *Statistic) Counts(p *Peer) (v View, ok bool) {
	if s.Raw != nil {
		return 0, false
	}
	switch s.Type {
	case StatAdjRIBIn, StatAdjRIBInFamily:
		if p.Type != PeerLocRIB && p.Flags&FlagPostPolicy != 0 {
			return ViewAdjRIBInPost, true
		}
		return ViewAdjRIBInPre, true
	case StatLocRIB, StatLocRIBFamily:
		return ViewLocRIB, true
	case StatAdjRIBOutPre, StatAdjRIBOutPreFamily:
		return ViewAdjRIBOutPre, true
	case StatAdjRIBOutPost, StatAdjRIBOutPostFamily:
		return ViewAdjRIBOutPost, true
	case StatAdjRIBInPre, StatAdjRIBInPreFamily:
		return ViewAdjRIBInPre, true
	case StatAdjRIBInPost, StatAdjRIBInPostFamily:
		return ViewAdjRIBInPost, true
	}
	return 0, false
}

// IsGauge reports whether the value may fall; all others only grow. Unknown types are taken for gauges.
func (s *Statistic) IsGauge() bool {
	return s.Type >= StatAdjRIBIn && s.Type <= StatLocRIBFamily || s.Type >= StatAdjRIBOutPre
}

// statNames holds IANA "BMP Statistics Types" from 0 on: RFC 7854, from 14 on RFC 8671, from 18 on RFC 9972.
var statNames = [...]string{
	"rejected-by-policy", "duplicate-prefix", "duplicate-withdraw", "cluster-list-loop", "as-path-loop",
	"originator-loop", "confed-loop", "adj-rib-in-routes", "loc-rib-routes", "adj-rib-in-family-routes",
	"loc-rib-family-routes", "treat-as-withdraw-updates", "treat-as-withdraw-prefixes", "duplicate-updates",
	"adj-rib-out-pre-routes", "adj-rib-out-post-routes", "adj-rib-out-pre-family-routes",
	"adj-rib-out-post-family-routes", "adj-rib-in-pre-routes", "adj-rib-in-pre-family-routes",
	"adj-rib-in-post-routes", "adj-rib-in-post-family-routes",
	"adj-rib-in-pre-family-rejected-routes", "adj-rib-in-post-family-accepted-routes", "family-primary-routes",
	"family-backup-routes", "family-damped-routes", "family-gr-stale-routes", "family-llgr-stale-routes",
	"adj-rib-in-post-routes-left", "adj-rib-in-post-family-routes-left", "licensed-routes-left", "family-licensed-routes-left",
	"adj-rib-in-pre-long-path-routes", "adj-rib-in-pre-family-long-path-routes",
	"adj-rib-in-post-family-rpki-invalid-routes", "adj-rib-in-post-family-rpki-valid-routes",
	"adj-rib-in-post-family-rpki-not-found-routes", "adj-rib-out-pre-family-rejected-routes", "adj-rib-out-pre-long-path-routes",
	"adj-rib-out-pre-family-long-path-routes", "adj-rib-out-post-family-rpki-invalid-routes",
	"adj-rib-out-post-family-rpki-valid-routes", "adj-rib-out-post-family-rpki-not-found-routes",
}

// decodeStatistics decodes a Statistics Report. The length of a value decides how it is read, so that types still
// unknown here are read too: 4 or 8 octets are a number, 11 are AFI(2) SAFI(1) and a number of 8.
func (s *Session) decodeStatistics(header, body []byte) (Message, error) {
	m := &Statistics{Peer: decodePeer(header)}
	if len(body) < 4 {
		return m, fmt.Errorf("count: %w", ErrShort)
	}
	// The count is not needed, and some routers get it wrong: the TLVs end with the message.
	return m, walkTLVs(body[4:], func(typ uint16, v []byte) error {
		st := Statistic{Type: typ}
		switch len(v) {
		case 4:
			st.Value = uint64(binary.BigEndian.Uint32(v))
		case 8:
			st.Value = binary.BigEndian.Uint64(v)
		case 11:
			st.Family = bgp.NewFamily(binary.BigEndian.Uint16(v), v[2])
			st.Value = binary.BigEndian.Uint64(v[3:])
		default:
			s.count.OddStatistics++
			st.Raw = append([]byte{}, v...)
		}
		s.count.Statistics++
		m.Stats = append(m.Stats, st)
		return nil
	})
}
