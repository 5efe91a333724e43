package rib

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// RD is a route distinguisher (RFC 4364 section 4.2): its eight octets read as a big-endian number. Zero is the default
// (global) table.
type RD uint64

// ErrRD reports text that is not a route distinguisher.
var ErrRD = errors.New("not a route distinguisher (want type:admin:value)")

// String gives "type:admin:value": type 0 has a 2-octet AS, type 1 an IPv4 address, type 2 a 4-octet AS.
func (rd RD) String() string { return string(rd.Append(nil)) }

// Append appends the text of String.
func (rd RD) Append(b []byte) []byte {
	t := uint16(rd >> 48)
	b = strconv.AppendUint(b, uint64(t), 10)
	b = append(b, ':')
	switch t {
	case 0:
		b = strconv.AppendUint(b, uint64(rd>>32&0xffff), 10)
		b = append(b, ':')
		return strconv.AppendUint(b, uint64(rd&0xffffffff), 10)
	case 1:
		a := uint32(rd >> 16)
		b = netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)}).AppendTo(b)
	default:
		b = strconv.AppendUint(b, uint64(rd>>16&0xffffffff), 10)
	}
	b = append(b, ':')
	return strconv.AppendUint(b, uint64(rd&0xffff), 10)
}

// ParseRD reads what String writes. It returns an error that wraps ErrRD.
func ParseRD(s string) (RD, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return 0, fmt.Errorf("%q: %w", s, ErrRD)
	}
	t, err := strconv.ParseUint(parts[0], 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q: %w", s, ErrRD)
	}
	adminBits, valueBits := 32, 16
	if t == 0 {
		adminBits, valueBits = 16, 32
	}
	value, err := strconv.ParseUint(parts[2], 10, valueBits)
	if err != nil {
		return 0, fmt.Errorf("%q: %w", s, ErrRD)
	}
	var admin uint64
	if t == 1 {
		a, err := netip.ParseAddr(parts[1])
		if err != nil || !a.Is4() {
			return 0, fmt.Errorf("%q: %w", s, ErrRD)
		}
		b := a.As4()
		admin = uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
	} else if admin, err = strconv.ParseUint(parts[1], 10, adminBits); err != nil {
		return 0, fmt.Errorf("%q: %w", s, ErrRD)
	}
	return RD(t<<48 | admin<<valueBits | value), nil
}

// View is one RIB of a BMP peer. The order is the order of preference in the join.
type View uint8

// The views of RFC 7854 (Adj-RIB-In), RFC 8671 (Adj-RIB-Out) and RFC 9069 (Loc-RIB).
const (
	LocRIB View = iota
	AdjRIBInPost
	AdjRIBInPre
	AdjRIBOutPre // this and the next never answer a flow
	AdjRIBOutPost
	numViews
)

// String gives the name used in records.
func (v View) String() string {
	switch v {
	case LocRIB:
		return "loc-rib"
	case AdjRIBInPost:
		return "adj-rib-in-post"
	case AdjRIBInPre:
		return "adj-rib-in-pre"
	case AdjRIBOutPre:
		return "adj-rib-out-pre"
	case AdjRIBOutPost:
		return "adj-rib-out-post"
	case numViews:
	}
	return "view-" + strconv.Itoa(int(v))
}

// Origin values of a route (RFC 4271 section 4.3).
const (
	OriginIGP uint8 = iota
	OriginEGP
	OriginIncomplete
)

// Attrs are the path attributes of a route as far as the join and the record need them. A value that is in an Intern
// table is shared by routes of all devices and never changes.
type Attrs struct {
	NextHop          netip.Addr  // NEXT_HOP or the global address of MP_REACH_NLRI
	ASPath           []uint32    // AS_SEQUENCE segments in order, AS4_PATH merged, confederation segments left out
	ASSet            []uint32    // members of AS_SET segments (deprecated by RFC 9774), in order of arrival
	Communities      []uint32    // sorted, no duplicates
	ExtCommunities   []uint64    // big-endian, sorted, no duplicates
	LargeCommunities [][3]uint32 // sorted, no duplicates
	LocalPref        uint32      // valid with HasLocalPref
	MED              uint32      // valid with HasMED
	OriginatorID     netip.Addr  // ORIGINATOR_ID, invalid when absent
	PathLength       uint16      // AS path length of the decision process (RFC 4271 section 9.1.2.2 a): an AS_SET counts 1
	ClusterLength    uint8       // number of clusters in CLUSTER_LIST
	Origin           uint8
	HasOrigin        bool
	HasLocalPref     bool
	HasMED           bool
}
