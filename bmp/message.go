package bmp

import (
	"strings"

	"github.com/telcol/telcol/bmp/bgp"
)

// Versions of BMP.
const (
	Version3 uint8 = 3
	Version4 uint8 = 4
)

// MessageType is the type in the common header.
type MessageType uint8

// The message types (RFC 7854 section 4.1).
const (
	TypeRouteMonitoring MessageType = iota
	TypeStatistics
	TypePeerDown
	TypePeerUp
	TypeInitiation
	TypeTermination
	TypeRouteMirroring
	numTypes

	// TypeUnknown stands for all other types where types are counted.
	TypeUnknown = numTypes
)

// String gives the name used in metrics; all unknown types are "unknown".
func (t MessageType) String() string {
	return [...]string{
		"route-monitoring", "statistics", "peer-down", "peer-up", "initiation", "termination", "route-mirroring", "unknown",
	}[min(t, numTypes)]
}

// Types of package bgp that appear in messages.
type (
	// NLRI is a route's destination.
	NLRI = bgp.NLRI
	// Attributes are a route's path attributes.
	Attributes = bgp.Attributes
	// Family is an address family.
	Family = bgp.Family
)

// Message is one of *Initiation, *PeerUp, *PeerDown, *RouteMonitoring, *Statistics, *Termination, *RouteMirroring and
// *Unknown.
type Message interface {
	MessageType() MessageType
}

// RouteMonitoring tells of routes. It is valid until the Session's next Decode; only the Attributes may be kept.
type RouteMonitoring struct {
	Peer
	bgp.Update
	Known bool         // a Peer Up of the peer was seen in this session
	TLVs  []IndexedTLV // version 4: all but the UPDATE's and those that group indices
}

// MessageType returns TypeRouteMonitoring.
func (*RouteMonitoring) MessageType() MessageType { return TypeRouteMonitoring }

// Initiation is the first message of a session (RFC 7854 section 4.3).
type Initiation struct {
	SysName  string
	SysDescr string
	Strings  []string // free text
	TLVs     []TLV    // all others
}

// MessageType returns TypeInitiation.
func (*Initiation) MessageType() MessageType { return TypeInitiation }

// Termination is the last message of a session (RFC 7854 section 4.5).
type Termination struct {
	Reason    uint16 // valid with HasReason
	HasReason bool
	Strings   []string
	TLVs      []TLV // all others
}

// Reasons of Termination (RFC 7854 section 4.5).
const (
	TermAdminClose     uint16 = 0
	TermUnspecified    uint16 = 1
	TermOutOfResources uint16 = 2
	TermRedundant      uint16 = 3
	TermPermanentAdmin uint16 = 4
)

// MessageType returns TypeTermination.
func (*Termination) MessageType() MessageType { return TypeTermination }

// ReasonText names the reason.
func (t *Termination) ReasonText() string {
	if !t.HasReason || int(t.Reason) >= len(termReasons) {
		return "unknown"
	}
	return termReasons[t.Reason]
}

var termReasons = [...]string{
	"administratively closed", "unspecified", "out of resources", "redundant connection",
	"permanently administratively closed",
}

// RouteMirroring carries BGP messages verbatim (RFC 7854 section 4.7). It is valid until the Session's next Decode.
type RouteMirroring struct {
	Peer
	Messages [][]byte // BGP messages with their headers, not decoded
	Errored  bool     // a message was mirrored because of an error in it
	Lost     bool     // the router could not mirror everything
	TLVs     []TLV    // all others
}

// MessageType returns TypeRouteMirroring.
func (*RouteMirroring) MessageType() MessageType { return TypeRouteMirroring }

// Unknown is a message of a type that this package does not know.
type Unknown struct {
	Type MessageType
	Body []byte // behind the common header, valid until the Session's next Decode
}

// MessageType returns the type as received.
func (u *Unknown) MessageType() MessageType { return u.Type }

// maxName is the longest sysName (RFC 3418 section 2) and table name (RFC 9069 section 5.3), in octets. Names are kept, and are part of every
// record: one that is longer is cut.
const maxName = 255

// name makes a name of a TLV.
func name(b []byte) string {
	s := text(b)
	if len(s) <= maxName {
		return s
	}
	return strings.ToValidUTF8(s[:maxName], "") // perhaps the last character was cut
}

// text makes a string of a TLV: some routers pad with NULs, and nobody downstream wants broken UTF-8.
func text(b []byte) string {
	return strings.ToValidUTF8(strings.TrimRight(string(b), "\x00"), "\uFFFD")
}
