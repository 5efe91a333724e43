package bgp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Message types of BGP (RFC 4271 section 4.1).
const (
	TypeOpen         uint8 = 1
	TypeUpdate       uint8 = 2
	TypeNotification uint8 = 3
	TypeKeepalive    uint8 = 4
	TypeRouteRefresh uint8 = 5
)

// HeaderSize is the length of a BGP message header: marker(16) length(2) type(1).
const HeaderSize = 19

// SplitMessage takes the first BGP message off data. The body excludes the header. The marker's value is not looked at:
// RFC 4271 lets it be anything only in versions long gone, and some monitors leave it zero.
func SplitMessage(data []byte) (typ uint8, body, rest []byte, err error) {
	if len(data) < HeaderSize {
		return 0, nil, nil, fmt.Errorf("header needs %d octets, %d left: %w", HeaderSize, len(data), ErrMessage)
	}
	size := int(binary.BigEndian.Uint16(data[16:]))
	if size < HeaderSize || size > len(data) {
		return 0, nil, nil, fmt.Errorf("length %d, %d octets left: %w", size, len(data), ErrMessage)
	}
	return data[18], data[HeaderSize:size:size], data[size:], nil
}

// Params is what a session knows about how an UPDATE is written.
type Params struct {
	ASWidth ASWidth
	AddPath []Family // families whose routes carry path identifiers
	// OwnTable is for the router's own tables, whose routes no peer sent: a missing AS_PATH is an empty one there, as GoBGP writes the
	// routes it originates. From a peer it is an error (RFC 7606 section 3 d).
	OwnTable bool
}

func (p *Params) addPath(f Family) bool {
	for _, g := range p.AddPath {
		if g == f {
			return true
		}
	}
	return false
}

// Announcement is a set of routes with the attributes they share.
type Announcement struct {
	NLRI  []NLRI
	Other []OtherNLRI // routes of families without prefixes
	Attrs *Attributes // shared and immutable, may be kept
}

// Update is a decoded UPDATE. All but the Attributes is valid until the Decoder's next call.
type Update struct {
	Withdrawn      []NLRI // announced routes too when RFC 7606 asks to treat them as withdrawn
	OtherWithdrawn []OtherNLRI
	Announced      []Announcement // usually one; two when MP_REACH_NLRI and the IPv4 field are both used
	EndOfRIB       Family         // the family whose initial dump is complete (RFC 4724 section 2), zero otherwise
	Outcome        Outcome
}

// Config sets up a Decoder.
type Config struct {
	Cache     *Cache // shared or own; one with the default bounds is made when nil
	SkipOther bool   // do not decode families without prefixes, only count their octets
}

// parseNextHop reads the next hop of MP_REACH_NLRI in all lengths in use: IPv4 (4), IPv6 (16), both after a route
// distinguisher (12, 24), and IPv6 with a link-local address (32, 48).
func parseNextHop(b []byte) (global, linkLocal netip.Addr) {
	switch len(b) {
	case 4:
		return netip.AddrFrom4([4]byte(b)), linkLocal
	case 12:
		return netip.AddrFrom4([4]byte(b[RDSize:])), linkLocal
	case 16:
		return netip.AddrFrom16([16]byte(b)), linkLocal
	case 24:
		return netip.AddrFrom16([16]byte(b[RDSize:])), linkLocal
	case 32:
		return netip.AddrFrom16([16]byte(b)), netip.AddrFrom16([16]byte(b[16:]))
	case 48:
		return netip.AddrFrom16([16]byte(b[RDSize:])), netip.AddrFrom16([16]byte(b[24+RDSize:]))
	}
	return global, linkLocal
}
