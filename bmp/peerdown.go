package bmp

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/telcol/telcol/bmp/bgp"
)

// Reasons of Peer Down (RFC 7854 section 4.9, RFC 9069 section 5.5).
const (
	DownReserved           uint8 = 0
	DownLocalNotification  uint8 = 1 // the router closed; data is its NOTIFICATION
	DownLocalNoNotif       uint8 = 2 // the router closed; data is its FSM event
	DownRemoteNotification uint8 = 3 // the peer closed; data is its NOTIFICATION
	DownRemoteNoNotif      uint8 = 4 // the peer closed without telling
	DownDeconfigured       uint8 = 5 // the router no longer monitors the peer, which may be up
	DownTLVs               uint8 = 6 // a Loc-RIB or local instance went; data is TLVs
	DownUnknown            uint8 = 7 // stands for all others where reasons are counted
)

// PeerDown says that a BGP session ended or that a view is no longer monitored.
type PeerDown struct {
	Peer
	Reason       uint8
	Notification *Notification // of reasons 1 and 3
	FSMEvent     uint16        // of reason 2 (RFC 4271 section 8.1), 0 when there is none
	TableName    string
	Strings      []string
	TLVs         []TLV  // all others
	Data         []byte // of reasons that are not known
	Known        bool   // a Peer Up of the peer came before
}

// Notification is the BGP message that closed a session (RFC 4271 section 4.5).
type Notification struct {
	Code, Subcode uint8
	Data          []byte
}

// MessageType returns TypePeerDown.
func (*PeerDown) MessageType() MessageType { return TypePeerDown }

// ReasonText names the reason.
func (d *PeerDown) ReasonText() string { return DownReasonText(d.Reason) }

// DownReasonText names a reason of Peer Down; all that are not known have one name.
func DownReasonText(reason uint8) string {
	return [...]string{
		"reserved", "local system closed with notification", "local system closed without notification",
		"remote system closed with notification", "remote system closed without notification",
		"peer de-configured", "local system closed with tlv data", "unknown",
	}[min(reason, DownUnknown)]
}

// decodePeerDown decodes Peer Down. The peer counts as down even when the data behind the reason is bad.
func (s *Session) decodePeerDown(header, body []byte) (Message, error) {
	m := &PeerDown{Peer: decodePeer(header)}
	if t := s.peers[m.Key()]; t != nil {
		m.Known, t.up = t.up, false
		s.cached = false
	}
	if len(body) < 1 {
		return m, fmt.Errorf("reason: %w", ErrShort)
	}
	m.Reason, body = body[0], body[1:]
	s.count.Downs[min(m.Reason, DownUnknown)]++
	var err error
	switch m.Reason {
	case DownLocalNotification, DownRemoteNotification:
		body, err = m.notification(body)
	case DownLocalNoNotif:
		if len(body) >= 2 {
			m.FSMEvent, body = binary.BigEndian.Uint16(body), body[2:]
		}
	case DownRemoteNoNotif, DownDeconfigured, DownTLVs:
	default:
		m.Data = bytes.Clone(body)
		return m, nil
	}
	if err != nil {
		return m, err
	}
	return m, s.downTLVs(m, body)
}

// notification reads the NOTIFICATION and returns what follows it. A router that has none to show sends nothing.
func (d *PeerDown) notification(data []byte) (rest []byte, err error) {
	if len(data) == 0 {
		return nil, nil
	}
	typ, pdu, rest, err := bgp.SplitMessage(data)
	if err != nil {
		return nil, fmt.Errorf("notification: %w", err)
	}
	if typ != bgp.TypeNotification || len(pdu) < 2 {
		return nil, fmt.Errorf("type %d of %d octets instead of notification: %w", typ, len(pdu), ErrPDU)
	}
	d.Notification = &Notification{Code: pdu[0], Subcode: pdu[1], Data: bytes.Clone(pdu[2:])}
	return rest, nil
}

// downTLVs reads the TLVs of reason 6, which version 4 allows behind every reason.
func (s *Session) downTLVs(m *PeerDown, data []byte) error {
	return walkTLVs(data, func(typ uint16, v []byte) error {
		switch typ {
		case tlvString:
			m.Strings = append(m.Strings, text(v))
		case tlvTableName:
			m.TableName = name(v)
		default:
			s.count.UnknownTLVs++
			m.TLVs = append(m.TLVs, copyTLV(typ, v))
		}
		return nil
	})
}
