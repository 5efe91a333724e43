package rib

import "net/netip"

// PeerKey identifies a BMP peer of a device. The view is not part of it: routers announce a peer with one L flag and
// send its routes with another.
type PeerKey struct {
	Class         PeerClass
	Distinguisher RD         // peer distinguisher, 0 for global instance peers
	Addr          netip.Addr // BGP peer address; invalid and :: are taken as 0.0.0.0, the Loc-RIB's
}

// canonical makes keys equal that mean the same peer: the address of a Loc-RIB is told as 0.0.0.0, :: or not at all.
func (k PeerKey) canonical() PeerKey {
	if k.Addr = k.Addr.Unmap(); !k.Addr.IsValid() || k.Addr.IsUnspecified() {
		k.Addr = netip.IPv4Unspecified()
	}
	return k
}

// PeerClass tells apart the name spaces of peers (RFC 7854 section 4.2, RFC 9069 section 4.1).
type PeerClass uint8

// The classes of peers. The Loc-RIB of a device is of ClassGlobal, because routers announce it with peer type 0 and send its
// routes with type 3.
const (
	ClassGlobal PeerClass = iota // peer types 0 and 3
	ClassRD                      // peer type 1
	ClassLocal                   // peer type 2
)

// PeerInfo is what the decision process and a reader need to know of a peer.
type PeerInfo struct {
	AS, LocalAS uint32     // a peer of another AS is external; 0 is unknown
	BGPID       netip.Addr // the peer's BGP identifier
	Name        string     // VRF or table name, "" when not told
	Families    []Family   // that both sides of the BGP session have agreed on; shared, must not be changed
	Filtered    bool       // a Loc-RIB of which the router tells a part only (RFC 9069 section 4.2)

	// Session, when not 0, identifies the BGP session that Peer Up reports, for example a hash of ports, identifiers and its time.
	// Peer Up for a session that is already up is taken as told twice (once per L flag) and starts nothing anew.
	Session uint64
}

// Family is a BGP address family (RFC 4760).
type Family struct {
	AFI  uint16
	SAFI uint8
}

// The families that a RIB is meant for. Labelled and plain unicast routes live in the same tables.
var (
	IPv4Unicast  = Family{1, 1}
	IPv4Labelled = Family{1, 4}
	IPv4VPN      = Family{1, 128}
	IPv6Unicast  = Family{2, 1}
	IPv6Labelled = Family{2, 4}
	IPv6VPN      = Family{2, 128}
)

// State says how complete routes are. The order is that of correlate.RIBState.
type State uint8

// The states of a source, and of the tables that sources fill.
const (
	Absent  State = iota // no routes told
	Synced               // End-of-RIB seen, or quiet for long enough
	Syncing              // the dump is still arriving
	Stale                // the session is lost, or the route is of the dump before this one
)

// String gives the text used in records.
func (s State) String() string { return [...]string{"absent", "synced", "syncing", "stale"}[s&3] }

// SourceID names a (peer, view, family) of a RIB. Zero is none. It is valid until the next Tick or Clear.
type SourceID uint32

// peer is a BMP peer and its sources.
type peer struct {
	key     PeerKey
	info    PeerInfo
	up      bool   // between Peer Up and Peer Down or the loss of the session
	lost    bool   // the session was lost while the peer was in use
	since   int64  // of the last change of up or lost
	session uint64 // the newest open BMP session that told it up
	bare    bool   // up, nothing told yet and not given up on: its dump may be about to begin
	sources []*source
}

func (p *peer) external() bool {
	return p.info.AS != 0 && p.info.LocalAS != 0 && p.info.AS != p.info.LocalAS
}

// source is one view and family of a peer.
type source struct {
	id        SourceID
	peer      *peer
	view      View
	family    Family
	state     State
	begun     bool // syncing, and a route of the dump has come
	syncSince int64
	heard     int64 // RIB.now of the last route
	live      int   // live routes, stale ones included
	stale     int
	refused   bool   // it lacks routes that were refused
	owner     uint64 // the open BMP session that tells it, 0 for none
	current   map[feedKey]uint32
	old       []uint32 // stale feeds
	oldSince  int64    // since when the oldest of them is stale

	// What a dump tells is taken to be valid since assume: since ever, or since the time when the source was last known.
	assume   int64
	known    bool // the first dump has begun
	gap      bool // the session was lost, and no dump has begun since
	gapSince int64

	// The last feed used: most messages stay in one VRF.
	cached     feedKey
	cachedFeed uint32
}
