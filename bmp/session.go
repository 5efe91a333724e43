package bmp

import (
	"encoding/binary"
	"fmt"

	"github.com/telcol/telcol/bmp/bgp"
)

// Config sets up a Session.
type Config struct {
	// Cache holds decoded attributes. Sessions of one process do well to share one; each Session makes its own, with
	// the default bounds, when it is nil.
	Cache *bgp.Cache
	// MaxPeers is how many peers a Session remembers, 16384 when zero. Peers beyond it that are not in place of one
	// that went down are read with the defaults: four-octet AS numbers, no ADD-PATH.
	MaxPeers int
	// SkipOther leaves routes of families without prefixes (EVPN, flow specification, BGP-LS, ...) undecoded.
	SkipOther bool
}

// peerState is what a Peer Up tells about its peer's UPDATEs.
type peerState struct {
	up  bool
	id  uint64 // of the BGP session, 0 when another process took the Peer Up
	as2 bool   // not both OPENs have the four-octet AS capability
	in  []Family
	out []Family
	loc []Family

	noPathIDs [numViews]bool // views whose UPDATEs have shown that they lack the path identifiers of in, out or loc
}

// Session decodes the messages of one BMP session. It belongs to one goroutine.
type Session struct {
	dec      *bgp.Decoder
	peers    map[PeerKey]*peerState
	maxPeers int
	count    Counters
	route    RouteMonitoring

	// The last per-peer header and what followed from it: dumps repeat it thousands of times.
	header [peerIdentity]byte
	peer   Peer
	state  *peerState
	params bgp.Params
	cached bool
}

// peerIdentity is the per-peer header without its time.
const peerIdentity = PeerHeaderSize - 8

// noPeer stands for peers without Peer Up.
var noPeer = &peerState{}

// NewSession makes a Session that knows of no peer.
func NewSession(cfg Config) *Session {
	if cfg.MaxPeers <= 0 {
		cfg.MaxPeers = 16384
	}
	return &Session{
		dec:      bgp.NewDecoder(bgp.Config{Cache: cfg.Cache, SkipOther: cfg.SkipOther}),
		peers:    make(map[PeerKey]*peerState),
		maxPeers: cfg.MaxPeers,
	}
}

// Decode decodes one message as a Reader returns it. RouteMonitoring, RouteMirroring and Unknown are valid until the
// next call; the others may be kept.
//
// An error that wraps ErrFraming ends the session. All others concern this message only: when the message is not nil
// all the same, its peer and what could be read are in it.
func (s *Session) Decode(msg []byte) (Message, error) {
	if len(msg) < HeaderSize || msg[0] != Version3 && msg[0] != Version4 || int(binary.BigEndian.Uint32(msg[1:])) != len(msg) {
		s.count.Malformed++
		return nil, fmt.Errorf("common header: %w", ErrFraming)
	}
	typ, body := MessageType(msg[5]), msg[HeaderSize:]
	s.count.Messages[min(typ, numTypes)]++
	m, err := s.decode(msg[0], typ, body)
	if err != nil {
		s.count.Malformed++
		err = fmt.Errorf("%v: %w", typ, err)
	}
	return m, err
}

func (s *Session) decode(version uint8, typ MessageType, body []byte) (Message, error) {
	switch typ {
	case TypeInitiation:
		return s.decodeInitiation(body)
	case TypeTermination:
		return s.decodeTermination(body)
	case TypeRouteMonitoring, TypeStatistics, TypePeerDown, TypePeerUp, TypeRouteMirroring:
	default:
		return &Unknown{Type: typ, Body: body}, nil
	}
	if len(body) < PeerHeaderSize {
		return nil, fmt.Errorf("per-peer header: %w", ErrShort)
	}
	header, body := body[:PeerHeaderSize], body[PeerHeaderSize:]
	if header[0] > PeerLocRIB {
		s.count.UnknownPeerTypes++
	}
	switch typ {
	case TypeRouteMonitoring:
		return s.decodeRoute(version, header, body)
	case TypeStatistics:
		return s.decodeStatistics(header, body)
	case TypePeerDown:
		return s.decodePeerDown(header, body)
	case TypePeerUp:
		return s.decodePeerUp(header, body)
	default:
		return s.decodeMirroring(header, body)
	}
}

// find parses the per-peer header of a Route Monitoring message and looks its peer up, unless it is the last one again.
func (s *Session) find(header []byte) {
	if s.cached && string(s.header[:]) == string(header[:peerIdentity]) {
		s.peer.Time = decodeTime(header[peerIdentity:])
		return
	}
	copy(s.header[:], header)
	s.peer = decodePeer(header)
	s.state = s.peers[s.peer.Key()]
	if s.state == nil {
		s.state = noPeer
	}
	s.params = s.state.params(&s.peer)
	s.cached = true
}

// params says how the peer's UPDATEs are written. The A flag settles two-octet AS numbers. Without it BMP promises four,
// which FRR breaks for its own routes and others when the BGP session has two: the decoder then looks at the path.
func (t *peerState) params(p *Peer) bgp.Params {
	out := bgp.Params{ASWidth: bgp.ASLikely4, OwnTable: p.Addr.IsUnspecified()}
	switch {
	case p.AS2():
		out.ASWidth = bgp.AS2
	case p.Type != PeerLocRIB && t.as2:
		out.ASWidth = bgp.ASLikely2
	}
	if view := p.View(); !t.noPathIDs[view] {
		out.AddPath = t.promised(view)
	}
	return out
}

// promised gives the families whose routes have path identifiers in a view, going by the OPENs.
func (t *peerState) promised(v View) []Family {
	switch v {
	case ViewLocRIB:
		return t.loc
	case ViewAdjRIBOutPre, ViewAdjRIBOutPost:
		return t.out
	case ViewAdjRIBInPre, ViewAdjRIBInPost, numViews:
	}
	return t.in
}

// setPeer keeps what a Peer Up says. The newest one counts, also for views that an earlier one has opened.
func (s *Session) setPeer(key PeerKey, t *peerState) {
	s.cached = false
	if _, known := s.peers[key]; !known && len(s.peers) >= s.maxPeers && !s.forgetDown() {
		s.count.PeersRefused++
		return
	}
	s.peers[key] = t
}

// forgetDown makes room by dropping the peers that are down. They are kept until then because one view's Peer Down says
// nothing about how the routes of the peer's other views are written.
func (s *Session) forgetDown() bool {
	n := len(s.peers)
	for k, t := range s.peers {
		if !t.up {
			delete(s.peers, k)
		}
	}
	return len(s.peers) < n
}
