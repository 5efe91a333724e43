package bmp

import (
	"encoding/binary"
	"net/netip"

	"github.com/telcol/telcol/bmp/bgp"
)

// open appends a common header whose length finish fills.
func open(b []byte, typ MessageType) (out []byte, start int) {
	return append(b, Version3, 0, 0, 0, 0, byte(typ)), len(b)
}

func finish(b []byte, start int) []byte {
	binary.BigEndian.PutUint32(b[start+1:], uint32(len(b)-start))
	return b
}

// openPeer appends a common and a per-peer header.
func openPeer(b []byte, typ MessageType, p *Peer) (out []byte, start int) {
	b, start = open(b, typ)
	flags := p.Flags
	if p.Type != PeerLocRIB {
		flags &^= FlagIPv6
		if p.Addr.Is6() {
			flags |= FlagIPv6
		}
	}
	b = append(b, p.Type, flags)
	b = binary.BigEndian.AppendUint64(b, p.Distinguisher)
	b = appendAddr(b, p.Addr)
	b = binary.BigEndian.AppendUint32(b, p.AS)
	var id [4]byte
	if p.BGPID.Is4() {
		id = p.BGPID.As4()
	}
	b = append(b, id[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(p.Time/1e9))
	return binary.BigEndian.AppendUint32(b, uint32(p.Time%1e9/1e3)), start
}

// appendAddr appends an address field of 16 octets.
func appendAddr(b []byte, a netip.Addr) []byte {
	var field [16]byte
	switch {
	case a.Is4():
		v4 := a.As4()
		copy(field[12:], v4[:])
	case a.Is6():
		field = a.As16()
	}
	return append(b, field[:]...)
}

func appendTLVs(b []byte, stringType uint16, texts []string, tlvs []TLV) []byte {
	for _, s := range texts {
		b = appendTLV(b, stringType, s)
	}
	for _, t := range tlvs {
		b = appendTLV(b, t.Type, t.Value)
	}
	return b
}

// AppendInitiation appends an Initiation message.
func AppendInitiation(b []byte, m *Initiation) []byte {
	b, start := open(b, TypeInitiation)
	b = appendTLV(b, 1, m.SysDescr)
	b = appendTLV(b, 2, m.SysName)
	return finish(appendTLVs(b, 0, m.Strings, m.TLVs), start)
}

// AppendTermination appends a Termination message.
func AppendTermination(b []byte, m *Termination) []byte {
	b, start := open(b, TypeTermination)
	if m.HasReason {
		b = appendTLV(b, 1, []byte{byte(m.Reason >> 8), byte(m.Reason)})
	}
	return finish(appendTLVs(b, 0, m.Strings, m.TLVs), start)
}

// AppendPeerUp appends a Peer Up message.
func AppendPeerUp(b []byte, m *PeerUp) []byte {
	b, start := openPeer(b, TypePeerUp, &m.Peer)
	b = appendAddr(b, m.LocalAddr)
	b = binary.BigEndian.AppendUint16(b, m.LocalPort)
	b = binary.BigEndian.AppendUint16(b, m.RemotePort)
	b = bgp.AppendOpen(b, &m.Sent)
	b = bgp.AppendOpen(b, &m.Received)
	b = appendTLVs(b, tlvString, m.Strings, nil)
	if m.TableName != "" {
		b = appendTLV(b, tlvTableName, m.TableName)
	}
	if m.AdminLabel != "" {
		b = appendTLV(b, tlvAdminLabel, m.AdminLabel)
	}
	return finish(appendTLVs(b, tlvString, nil, m.TLVs), start)
}

// AppendPeerDown appends a Peer Down message.
func AppendPeerDown(b []byte, m *PeerDown) []byte {
	b, start := openPeer(b, TypePeerDown, &m.Peer)
	b = append(b, m.Reason)
	switch m.Reason {
	case DownLocalNotification, DownRemoteNotification:
		if m.Notification != nil {
			b = bgp.AppendNotification(b, m.Notification.Code, m.Notification.Subcode, m.Notification.Data)
		}
	case DownLocalNoNotif:
		b = binary.BigEndian.AppendUint16(b, m.FSMEvent)
	case DownTLVs:
		if m.TableName != "" {
			b = appendTLV(b, tlvTableName, m.TableName)
		}
		b = appendTLVs(b, tlvString, m.Strings, m.TLVs)
	default:
		b = append(b, m.Data...)
	}
	return finish(b, start)
}

// AppendStatistics appends a Statistics Report. Statistics with a family take 11 octets; those without take 4 octets
// when their type is one of the 32-bit counters of RFC 7854, else 8.
func AppendStatistics(b []byte, m *Statistics) []byte {
	b, start := openPeer(b, TypeStatistics, &m.Peer)
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.Stats)))
	for i := range m.Stats {
		s := &m.Stats[i]
		b = binary.BigEndian.AppendUint16(b, s.Type)
		switch {
		case s.Raw != nil:
			b = append(append(b, byte(len(s.Raw)>>8), byte(len(s.Raw))), s.Raw...)
		case s.Family != 0:
			b = append(b, 0, 11, byte(s.Family>>16), byte(s.Family>>8), byte(s.Family))
			b = binary.BigEndian.AppendUint64(b, s.Value)
		case s.IsGauge():
			b = binary.BigEndian.AppendUint64(append(b, 0, 8), s.Value)
		default:
			b = binary.BigEndian.AppendUint32(append(b, 0, 4), uint32(s.Value))
		}
	}
	return finish(b, start)
}

// AppendRouteMonitoring appends Route Monitoring messages that withdraw some routes and announce others with attrs: as
// many as their families and the size of BGP messages need. AS numbers take two octets when the peer has FlagAS2.
func AppendRouteMonitoring(b []byte, p *Peer, withdrawn, announced []NLRI, attrs *Attributes) []byte {
	width := bgp.AS4
	if p.AS2() {
		width = bgp.AS2
	}
	for len(withdrawn) > 0 || len(announced) > 0 {
		var start, nw, na int
		b, start = openPeer(b, TypeRouteMonitoring, p)
		b, nw, na = bgp.AppendUpdate(b, withdrawn, announced, attrs, width)
		b = finish(b, start)
		withdrawn, announced = withdrawn[nw:], announced[na:]
	}
	return b
}

// AppendEndOfRIB appends the Route Monitoring message that ends the initial dump of a family.
func AppendEndOfRIB(b []byte, p *Peer, f Family) []byte {
	b, start := openPeer(b, TypeRouteMonitoring, p)
	return finish(bgp.AppendEndOfRIB(b, f), start)
}

// AppendRouteMirroring appends a Route Mirroring message. Its Messages are BGP messages with their headers.
func AppendRouteMirroring(b []byte, m *RouteMirroring) []byte {
	b, start := openPeer(b, TypeRouteMirroring, &m.Peer)
	if m.Errored {
		b = appendTLV(b, 1, []byte{0, 0})
	}
	if m.Lost {
		b = appendTLV(b, 1, []byte{0, 1})
	}
	for _, pdu := range m.Messages {
		b = appendTLV(b, 0, pdu)
	}
	return finish(appendTLVs(b, 0, nil, m.TLVs), start)
}
