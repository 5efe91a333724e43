package record

import (
	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/correlate/rib"
)

// runKind is what the routes of a run have in common beside their message; the zero value is none.
type runKind struct {
	action action
	family bgp.Family
}

// action is what a message does with a route.
type action uint8

const (
	noAction action = iota
	actionUpdate
	actionWithdraw
	actionEndOfRIB
)

func (a action) String() string { return [...]string{"", "update", "withdraw", "end-of-rib"}[a] }

// Routes sets the message whose routes are written next: those of AppendUpdate, AppendWithdraw, AppendOther and AppendEndOfRIB.
func (e *EventEncoder) Routes(m *bmp.RouteMonitoring) {
	e.about(EventRoute, &m.Peer)
	if m.Outcome != bgp.OutcomeOK {
		e.message = appendWord(e.message, &keyOutcome, m.Outcome.String())
	}
}

// AppendUpdate appends the event of an announced route. It allocates nothing but to grow dst.
func (e *EventEncoder) AppendUpdate(dst []byte, n *bgp.NLRI, a *bgp.Attributes) []byte {
	dst = e.appendRoute(dst, actionUpdate, n)
	return append(e.appendAttrs(dst, a), '}')
}

// AppendWithdraw appends the event of a withdrawn route.
func (e *EventEncoder) AppendWithdraw(dst []byte, n *bgp.NLRI) []byte {
	return append(e.appendRoute(dst, actionWithdraw, n), '}')
}

// AppendOther appends the event of a route of a family without prefixes: withdrawn when it comes without attributes.
func (e *EventEncoder) AppendOther(dst []byte, n *bgp.OtherNLRI, a *bgp.Attributes) []byte {
	kind := actionUpdate
	if a == nil {
		kind = actionWithdraw
	}
	dst = e.appendRun(dst, runKind{kind, n.Family})
	dst = appendText(dst, &keyNLRI, n.Text)
	if n.HasPathID {
		dst = appendUint(dst, &keyPathID, uint64(n.PathID))
	}
	if a != nil {
		dst = e.appendAttrs(dst, a)
	}
	return append(dst, '}')
}

// AppendEndOfRIB appends the event of an End-of-RIB marker.
func (e *EventEncoder) AppendEndOfRIB(dst []byte, f bgp.Family) []byte {
	return append(e.appendRun(dst, runKind{actionEndOfRIB, f}), '}')
}

func (e *EventEncoder) appendRoute(dst []byte, a action, n *bgp.NLRI) []byte {
	dst = e.appendRun(dst, runKind{a, n.Family})
	dst = appendPrefix(dst, &keyPrefix, n.Prefix)
	if n.Family.SAFI() == bgp.SAFIVPN {
		dst = appendRD(dst, &keyRD, ribRD(n.RD))
	}
	if n.HasPathID {
		dst = appendUint(dst, &keyPathID, uint64(n.PathID))
	}
	if n.HasLabel {
		dst = appendUint(dst, &keyMPLSLabel, uint64(n.Label))
	}
	return dst
}

// appendRun writes an event up to what is the route's own.
func (e *EventEncoder) appendRun(dst []byte, k runKind) []byte {
	if k != e.runKind {
		b := append(e.run[:0], e.message...)
		b = appendWord(b, &keyAction, k.action.String())
		b = appendUint(b, &keyAFI, uint64(k.family.AFI()))
		b = appendUint(b, &keySAFI, uint64(k.family.SAFI()))
		if e.rd != 0 && k.family.SAFI() != bgp.SAFIVPN {
			b = appendRD(b, &keyRD, ribRD(e.rd))
		}
		e.run, e.runKind = b, k
	}
	return append(e.begin(dst), e.run...)
}

// appendAttrs writes the path attributes. Equal sets are one value, as the decoder interns them, and routes that share one
// come in a row.
func (e *EventEncoder) appendAttrs(dst []byte, a *bgp.Attributes) []byte {
	if a != e.attrs {
		e.attrText, e.attrs = renderAttributes(e.attrText[:0], a), a
	}
	return append(dst, e.attrText...)
}

func renderAttributes(dst []byte, a *bgp.Attributes) []byte {
	if a.HasOrigin {
		dst = appendWord(dst, &keyOrigin, [...]string{"igp", "egp", "incomplete"}[min(a.Origin, 2)])
	}
	dst = appendNumbers(dst, &keyASPath, a.ASPath)
	if len(a.ASSet) > 0 {
		dst = appendNumbers(dst, &keyASSet, a.ASSet)
	}
	dst = appendAddr(dst, &keyNextHop, a.NextHop)
	dst = appendAddr(dst, &keyLinkLocalNextHop, a.LinkLocalNextHop)
	dst = appendIf(dst, &keyLocalPref, a.HasLocalPref, uint64(a.LocalPref))
	dst = appendIf(dst, &keyMED, a.HasMED, uint64(a.MED))
	dst = appendCommunities(dst, &keyCommunities, a.Communities)
	dst = appendExtCommunities(dst, &keyExtCommunities, a.ExtCommunities)
	dst = appendLargeCommunities(dst, &keyLargeCommunities, a.LargeCommunities)
	return renderRareAttributes(dst, a)
}

func renderRareAttributes(dst []byte, a *bgp.Attributes) []byte {
	dst = appendTrue(dst, &keyAtomicAggregate, a.AtomicAggregate)
	dst = appendIf(dst, &keyAggregatorAS, a.Aggregator.IsValid(), uint64(a.AggregatorAS))
	dst = appendAddr(dst, &keyAggregator, a.Aggregator)
	dst = appendAddr(dst, &keyOriginatorID, a.OriginatorID)
	dst = appendClusterList(dst, a.ClusterList)
	dst = appendIf(dst, &keyAIGP, a.HasAIGP, a.AIGP)
	dst = appendIf(dst, &keyOTC, a.HasOTC, uint64(a.OTC))
	dst = appendIf(dst, &keyLabelIndex, a.HasLabelIndex, uint64(a.LabelIndex))
	dst = appendSRv6SIDs(dst, a.SRv6SIDs)
	return appendUnknownAttributes(dst, a.Unknown)
}

func appendClusterList(dst []byte, list []uint32) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(keyClusterList.append(dst), '[')
	for _, id := range list {
		dst = append(appendDotted(append(dst, '"'), id), '"', ',')
	}
	return closeArray(dst)
}

func appendSRv6SIDs(dst []byte, list []bgp.SRv6SID) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(keySRv6SIDs.append(dst), '[')
	for i := range list {
		s := &list[i]
		dst = AppendAddr(append(dst, `{"sid":`...), s.Addr)
		dst = appendMember(dst, "behavior", uint64(s.Behavior))
		if s.L2 {
			dst = append(dst, `,"l2":true`...)
		}
		if s.BlockLength|s.NodeLength|s.FunctionLength|s.ArgumentLength|s.TranspositionLength|s.TranspositionOffset != 0 {
			dst = appendMember(dst, "block_length", uint64(s.BlockLength))
			dst = appendMember(dst, "node_length", uint64(s.NodeLength))
			dst = appendMember(dst, "function_length", uint64(s.FunctionLength))
			dst = appendMember(dst, "argument_length", uint64(s.ArgumentLength))
			dst = appendMember(dst, "transposition_length", uint64(s.TranspositionLength))
			dst = appendMember(dst, "transposition_offset", uint64(s.TranspositionOffset))
		}
		dst = append(dst, '}', ',')
	}
	return closeArray(dst)
}

func appendUnknownAttributes(dst []byte, list []bgp.RawAttr) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(keyUnknownAttributes.append(dst), '[')
	for _, a := range list {
		dst = appendDecimal(append(dst, `{"type":`...), uint64(a.Type))
		dst = appendMember(dst, "flags", uint64(a.Flags))
		dst = appendHexMember(dst, a.Value)
	}
	return closeArray(dst)
}

// ribRD gives a distinguisher the type that knows how it is written.
func ribRD(v uint64) rib.RD { return rib.RD(v) }
