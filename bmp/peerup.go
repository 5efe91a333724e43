package bmp

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"

	"github.com/telcol/telcol/bmp/bgp"
)

// PeerUp says that a BGP session of the router is established, or that one of its Loc-RIBs is monitored.
type PeerUp struct {
	Peer
	LocalAddr  netip.Addr
	LocalPort  uint16
	RemotePort uint16
	Sent       bgp.Open // by the router to the peer; made up for Loc-RIB
	Received   bgp.Open
	Renewed    bool // the peer was up already with another BGP session, see SessionID: its routes are being sent again
	TableName  string
	AdminLabel string
	Strings    []string
	TLVs       []TLV // all others
}

// MessageType returns TypePeerUp.
func (*PeerUp) MessageType() MessageType { return TypePeerUp }

// SessionID identifies the BGP session that came up; it is never 0. Routers that tell a peer up once for each L flag, or twice, mean one
// session.
func (m *PeerUp) SessionID() uint64 {
	var b [28]byte
	binary.BigEndian.PutUint64(b[:], uint64(m.Time))
	binary.BigEndian.PutUint16(b[8:], m.LocalPort)
	binary.BigEndian.PutUint16(b[10:], m.RemotePort)
	id := m.BGPID.As16()
	copy(b[12:], id[:])
	h := fnv.New64a()
	h.Write(b[:])
	return max(h.Sum64(), 1)
}

// Types of TLVs in Peer Up (RFC 7854 section 4.4, RFC 9069 section 5.3, IANA "BMP Peer Up Message TLVs").
const (
	tlvString     = 0
	tlvTableName  = 3
	tlvAdminLabel = 4
)

// peerUpSize is local address(16) local port(2) remote port(2).
const peerUpSize = 20

// decodePeerUp decodes Peer Up. Where something behind the per-peer header is bad the peer counts as up with what could be read.
func (s *Session) decodePeerUp(header, body []byte) (Message, error) {
	m := &PeerUp{Peer: decodePeer(header)}
	if len(body) < peerUpSize {
		s.peerUp(m)
		return m, fmt.Errorf("addresses: %w", ErrShort)
	}
	m.LocalAddr = decodeAddr(body, m.v6(body[:16]))
	m.LocalPort = binary.BigEndian.Uint16(body[16:])
	m.RemotePort = binary.BigEndian.Uint16(body[18:])

	rest, err := s.decodeOpens(m, body[peerUpSize:])
	s.peerUp(m)
	if err != nil {
		return m, err
	}
	return m, walkTLVs(rest, func(typ uint16, v []byte) error {
		switch typ {
		case tlvString:
			m.Strings = append(m.Strings, text(v))
		case tlvTableName:
			m.TableName = name(v)
		case tlvAdminLabel:
			m.AdminLabel = text(v)
		default:
			s.count.UnknownTLVs++
			m.TLVs = append(m.TLVs, copyTLV(typ, v))
		}
		return nil
	})
}

// decodeOpens decodes the two OPENs and returns what follows them. An OPEN whose contents are bad is counted and does
// not hide the TLVs; one that is missing does.
func (s *Session) decodeOpens(m *PeerUp, data []byte) (rest []byte, err error) {
	for _, o := range []*bgp.Open{&m.Sent, &m.Received} {
		typ, pdu, rest, err := bgp.SplitMessage(data)
		if err != nil {
			s.count.BadOpens++
			return nil, fmt.Errorf("open: %w", err)
		}
		if typ != bgp.TypeOpen {
			s.count.BadOpens++
			return nil, fmt.Errorf("type %d instead of open: %w", typ, ErrPDU)
		}
		if *o, err = bgp.DecodeOpen(pdu); err != nil {
			s.count.BadOpens++
		}
		data = rest
	}
	return data, nil
}

// peerUp keeps what the OPENs say about UPDATEs. Path identifiers of Adj-RIB-In are those the peer may send and the
// router take, those of Adj-RIB-Out the other way round; the OPENs of a Loc-RIB are made up, and need only agree.
func (s *Session) peerUp(m *PeerUp) {
	key := m.Key()
	id := m.SessionID()
	if old := s.peers[key]; old != nil {
		m.Renewed = old.up && old.id != id
	}
	s.setPeer(key, &peerState{
		up:  true,
		id:  id,
		as2: hasAS2(&m.Sent) || hasAS2(&m.Received),
		in:  bgp.AddPathFrom(&m.Received, &m.Sent),
		out: bgp.AddPathFrom(&m.Sent, &m.Received),
		loc: bgp.AddPathEither(&m.Sent, &m.Received),
	})
}

// hasAS2 reports whether an OPEN is there and has no four-octet AS capability.
func hasAS2(o *bgp.Open) bool { return o.Version != 0 && !o.AS4 }
