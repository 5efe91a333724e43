package bmp

import (
	"fmt"

	"github.com/telcol/telcol/bmp/bgp"
)

// decodeRoute decodes the body of Route Monitoring behind the per-peer header into the Session's own message.
func (s *Session) decodeRoute(version uint8, header, body []byte) (Message, error) {
	s.find(header)
	m := &s.route
	m.Peer, m.Known = s.peer, s.state.up
	m.Update, m.TLVs = bgp.Update{Outcome: bgp.OutcomeMalformed}, m.TLVs[:0]
	if !m.Known {
		s.count.NoPeerUp++
	}
	if version == Version4 {
		pdu, err := s.unwrapV4(body)
		if err != nil {
			return m, err
		}
		body = pdu
	}
	typ, pdu, rest, err := bgp.SplitMessage(body)
	if err != nil {
		return m, err
	}
	if typ != bgp.TypeUpdate {
		return m, fmt.Errorf("type %d instead of update: %w", typ, ErrPDU)
	}
	s.count.Trailing += uint64(len(rest))
	m.Update, err = s.decodeUpdate(pdu)
	return m, err
}

// decodeUpdate decodes an UPDATE as the peer's OPENs say, and where that makes no sense as if they had not spoken of path identifiers: FRR
// 8.4 writes none in BMP whatever its BGP session has, GoBGP 3.10 none after policy. A message with one route, as both send them, is
// practically never sensible in both forms. The view is then read in the form that was, until that makes no sense.
func (s *Session) decodeUpdate(pdu []byte) (bgp.Update, error) {
	before := s.dec.Counters
	u, err := s.dec.DecodeUpdate(pdu, s.params)
	promised := s.state.promised(s.peer.View())
	if sensible(u, err) || len(promised) == 0 {
		return *u, err
	}
	other := s.params
	other.AddPath = nil
	if len(s.params.AddPath) == 0 {
		other.AddPath = promised
	}
	s.dec.Counters = before
	if v, err := s.dec.DecodeUpdate(pdu, other); sensible(v, err) {
		s.params, s.state.noPathIDs[s.peer.View()] = other, len(other.AddPath) == 0
		s.count.PathIDsFlipped++
		return *v, nil
	}
	s.dec.Counters = before
	u, err = s.dec.DecodeUpdate(pdu, s.params)
	return *u, err
}

// sensible reports whether the routes of an UPDATE could be read.
func sensible(u *bgp.Update, err error) bool { return err == nil && u.Outcome < bgp.OutcomeFamilyError }

// decodeMirroring walks the TLVs of Route Mirroring (RFC 7854 section 4.7).
func (s *Session) decodeMirroring(header, body []byte) (Message, error) {
	m := &RouteMirroring{Peer: decodePeer(header)}
	err := walkTLVs(body, func(typ uint16, v []byte) error {
		switch {
		case typ == 0:
			s.count.Mirrored++
			m.Messages = append(m.Messages, v)
		case typ == 1 && len(v) == 2 && v[0] == 0 && v[1] == 0:
			s.count.MirrorErrors++
			m.Errored = true
		case typ == 1 && len(v) == 2 && v[0] == 0 && v[1] == 1:
			s.count.MirrorLosses++
			m.Lost = true
		default:
			s.count.UnknownTLVs++
			m.TLVs = append(m.TLVs, copyTLV(typ, v))
		}
		return nil
	})
	return m, err
}

func (s *Session) decodeInitiation(body []byte) (Message, error) {
	m := &Initiation{}
	err := walkTLVs(body, func(typ uint16, v []byte) error {
		switch typ {
		case 0:
			m.Strings = append(m.Strings, text(v))
		case 1:
			m.SysDescr = text(v)
		case 2:
			m.SysName = name(v)
		default:
			s.count.UnknownTLVs++
			m.TLVs = append(m.TLVs, copyTLV(typ, v))
		}
		return nil
	})
	return m, err
}

func (s *Session) decodeTermination(body []byte) (Message, error) {
	m := &Termination{}
	err := walkTLVs(body, func(typ uint16, v []byte) error {
		switch {
		case typ == 0:
			m.Strings = append(m.Strings, text(v))
		case typ == 1 && len(v) == 2:
			m.Reason, m.HasReason = uint16(v[0])<<8|uint16(v[1]), true
		default:
			s.count.UnknownTLVs++
			m.TLVs = append(m.TLVs, copyTLV(typ, v))
		}
		return nil
	})
	return m, err
}
