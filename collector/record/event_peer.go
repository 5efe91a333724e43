package record

import (
	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
)

// AppendPeerUp appends the event of a Peer Up.
func (e *EventEncoder) AppendPeerUp(dst []byte, m *bmp.PeerUp) []byte {
	dst = e.openPeer(dst, EventPeerUp, &m.Peer)
	dst = appendAddr(dst, &keyLocalAddr, m.LocalAddr)
	dst = appendUint(dst, &keyLocalPort, uint64(m.LocalPort))
	dst = appendUint(dst, &keyRemotePort, uint64(m.RemotePort))
	dst = appendTrue(dst, &keyRenewed, m.Renewed)
	dst = appendText(dst, &keyTableName, m.TableName)
	dst = appendText(dst, &keyAdminLabel, m.AdminLabel)
	dst = appendOpen(dst, &keySentOpen, &m.Sent)
	dst = appendOpen(dst, &keyRecvOpen, &m.Received)
	dst = appendStrings(dst, &keyInfo, m.Strings)
	return append(appendTLVs(dst, m.TLVs), '}')
}

// appendOpen writes an OPEN, nothing when it could not be read.
func appendOpen(dst []byte, k *openKeys, o *bgp.Open) []byte {
	if !o.ID.IsValid() {
		return dst
	}
	dst = appendUint(dst, &k.as, uint64(o.AS))
	dst = appendAddr(dst, &k.id, o.ID)
	dst = appendUint(dst, &k.holdTime, uint64(o.HoldTime))
	if len(o.Families) > 0 {
		dst = append(k.families.append(dst), '[')
		for _, f := range o.Families {
			dst = append(AppendString(dst, f.String()), ',')
		}
		dst = closeArray(dst)
	}
	if len(o.AddPath) > 0 {
		dst = append(k.addPath.append(dst), '[')
		for _, p := range o.AddPath {
			dst = append(AppendString(dst, p.Family.String()+":"+addPathText(p.Mode)), ',')
		}
		dst = closeArray(dst)
	}
	return appendCapabilities(dst, k, o)
}

func addPathText(m bgp.AddPathMode) string {
	switch m {
	case bgp.AddPathReceive:
		return "receive"
	case bgp.AddPathSend:
		return "send"
	case bgp.AddPathBoth:
		return "both"
	}
	return "none"
}

// appendCapabilities writes the capabilities that have no field of their own, and that of four-octet AS numbers, whose value is the AS.
func appendCapabilities(dst []byte, k *openKeys, o *bgp.Open) []byte {
	if !o.AS4 && len(o.Capabilities) == 0 {
		return dst
	}
	dst = append(k.capabilities.append(dst), '[')
	if o.AS4 {
		dst = append(dst, `{"code":65,"name":"four-octet-as"},`...)
	}
	for i := range o.Capabilities {
		c := &o.Capabilities[i]
		dst = appendDecimal(append(dst, `{"code":`...), uint64(c.Code))
		dst = AppendString(append(dst, `,"name":`...), c.Name())
		if len(c.Value) == 0 {
			dst = append(dst, '}', ',')
			continue
		}
		dst = appendHexMember(dst, c.Value)
	}
	return closeArray(dst)
}

// AppendPeerDown appends the event of a Peer Down.
func (e *EventEncoder) AppendPeerDown(dst []byte, m *bmp.PeerDown) []byte {
	dst = e.openPeer(dst, EventPeerDown, &m.Peer)
	dst = appendUint(dst, &keyReason, uint64(m.Reason))
	dst = appendWord(dst, &keyReasonText, m.ReasonText())
	if n := m.Notification; n != nil {
		dst = appendUint(dst, &keyNotificationCode, uint64(n.Code))
		dst = appendUint(dst, &keyNotificationSubcode, uint64(n.Subcode))
		dst = appendHex(dst, &keyNotificationData, n.Data)
	}
	dst = appendIf(dst, &keyFSMEvent, m.Reason == bmp.DownLocalNoNotif, uint64(m.FSMEvent))
	dst = appendText(dst, &keyTableName, m.TableName)
	dst = appendStrings(dst, &keyInfo, m.Strings)
	dst = appendTLVs(dst, m.TLVs)
	return append(appendHex(dst, &keyData, m.Data), '}')
}

// AppendStatistic appends the event of one statistic of a report.
func (e *EventEncoder) AppendStatistic(dst []byte, m *bmp.Statistics, s *bmp.Statistic) []byte {
	dst = e.openPeer(dst, EventStatistic, &m.Peer)
	dst = appendUint(dst, &keyCounter, uint64(s.Type))
	dst = appendWord(dst, &keyCounterName, s.Name())
	if s.Family != 0 {
		dst = appendUint(dst, &keyAFI, uint64(s.Family.AFI()))
		dst = appendUint(dst, &keySAFI, uint64(s.Family.SAFI()))
	}
	dst = appendTrue(dst, &keyGauge, s.IsGauge())
	if s.Raw != nil {
		return append(appendHex(dst, &keyData, s.Raw), '}')
	}
	return append(appendUint(dst, &keyValue, s.Value), '}')
}

// AppendMirror appends the event of a Route Mirroring message.
func (e *EventEncoder) AppendMirror(dst []byte, m *bmp.RouteMirroring) []byte {
	dst = e.openPeer(dst, EventMirror, &m.Peer)
	if len(m.Messages) > 0 {
		dst = append(keyMessages.append(dst), '[')
		for _, b := range m.Messages {
			dst = append(appendHexText(append(dst, '"'), b), '"', ',')
		}
		dst = closeArray(dst)
	}
	dst = appendTrue(dst, &keyMirrorErrored, m.Errored)
	dst = appendTrue(dst, &keyMirrorLost, m.Lost)
	return append(appendTLVs(dst, m.TLVs), '}')
}
