package bgp

import "encoding/binary"

const (
	wellKnown          = flagTransitive
	optionalTransitive = flagOptional | flagTransitive
)

// appendAttributes appends all attributes but MP_REACH_NLRI in the order of their types. NEXT_HOP is written when
// nextHop is set.
func appendAttributes(b []byte, a *Attributes, width ASWidth, nextHop bool) []byte {
	if a.HasOrigin {
		b = append(b, wellKnown, attrOrigin, 1, a.Origin)
	}
	wide := width != AS2
	b, lossy := appendPath(b, a, wide)
	if nextHop {
		b = appendAttr(b, wellKnown, attrNextHop, a.NextHop.AsSlice())
	}
	if a.HasMED {
		b = appendAttr32(b, flagOptional, attrMED, a.MED)
	}
	if a.HasLocalPref {
		b = appendAttr32(b, wellKnown, attrLocalPref, a.LocalPref)
	}
	if a.AtomicAggregate {
		b = append(b, wellKnown, attrAtomicAggregate, 0)
	}
	b = appendAggregator(b, a, wide)
	b = appendCommunities(b, a)
	if a.OriginatorID.Is4() {
		b = appendAttr(b, flagOptional, attrOriginatorID, a.OriginatorID.AsSlice())
	}
	b = append32s(b, flagOptional, attrClusterList, a.ClusterList)
	if lossy {
		var start int
		b, start = openAttr(b, optionalTransitive, attrAS4Path)
		b = closeAttr(appendSegments(b, a, true), start)
	}
	if a.HasAIGP { // one TLV: type 1, length 11, metric
		b = append(b, flagOptional, attrAIGP, 11, 1, 0, 11)
		b = binary.BigEndian.AppendUint64(b, a.AIGP)
	}
	if a.HasOTC {
		b = appendAttr32(b, optionalTransitive, attrOTC, a.OTC)
	}
	b = appendPrefixSID(b, a)
	for _, u := range a.Unknown {
		b = appendAttr(b, u.Flags&^flagExtended, u.Type, u.Value)
	}
	return b
}

// appendPath appends AS_PATH. lossy says that numbers did not fit and AS4_PATH is needed.
func appendPath(b []byte, a *Attributes, wide bool) (out []byte, lossy bool) {
	if !a.HasASPath && len(a.ASPath) == 0 && len(a.ASSet) == 0 {
		return b, false
	}
	b, start := openAttr(b, wellKnown, attrASPath)
	b = closeAttr(appendSegments(b, a, wide), start)
	if !wide {
		for _, l := range [][]uint32{a.ASPath, a.ASSet} {
			for _, as := range l {
				lossy = lossy || as > 0xffff
			}
		}
	}
	return b, lossy
}

// appendSegments appends the path's sequence in segments of at most 255 numbers, then its set.
func appendSegments(b []byte, a *Attributes, wide bool) []byte {
	seq := a.ASPath
	for len(seq) > 0 {
		n := min(len(seq), 255)
		b = appendSegment(b, segSequence, seq[:n], wide)
		seq = seq[n:]
	}
	if len(a.ASSet) > 0 {
		b = appendSegment(b, segSet, a.ASSet[:min(len(a.ASSet), 255)], wide)
	}
	return b
}

func appendSegment(b []byte, typ uint8, as []uint32, wide bool) []byte {
	b = append(b, typ, byte(len(as)))
	for _, n := range as {
		if wide {
			b = binary.BigEndian.AppendUint32(b, n)
		} else {
			b = binary.BigEndian.AppendUint16(b, narrow(n))
		}
	}
	return b
}

// narrow gives an AS number for a two-octet field.
func narrow(as uint32) uint16 {
	if as > 0xffff {
		return asTrans
	}
	return uint16(as)
}

func appendAggregator(b []byte, a *Attributes, wide bool) []byte {
	if !a.Aggregator.Is4() {
		return b
	}
	router := a.Aggregator.AsSlice()
	if wide {
		b = append(b, optionalTransitive, attrAggregator, 8)
		b = binary.BigEndian.AppendUint32(b, a.AggregatorAS)
		return append(b, router...)
	}
	b = append(b, optionalTransitive, attrAggregator, 6)
	b = append(binary.BigEndian.AppendUint16(b, narrow(a.AggregatorAS)), router...)
	if a.AggregatorAS > 0xffff {
		b = append(b, optionalTransitive, attrAS4Aggregator, 8)
		b = append(binary.BigEndian.AppendUint32(b, a.AggregatorAS), router...)
	}
	return b
}

func append32s(b []byte, flags, typ uint8, l []uint32) []byte {
	if len(l) == 0 {
		return b
	}
	b, start := openAttr(b, flags, typ)
	for _, v := range l {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return closeAttr(b, start)
}

// appendCommunities appends the communities of all three kinds.
func appendCommunities(b []byte, a *Attributes) []byte {
	b = append32s(b, optionalTransitive, attrCommunities, a.Communities)
	var start int
	if len(a.ExtCommunities) > 0 {
		b, start = openAttr(b, optionalTransitive, attrExtCommunities)
		for _, v := range a.ExtCommunities {
			b = binary.BigEndian.AppendUint64(b, v)
		}
		b = closeAttr(b, start)
	}
	if len(a.LargeCommunities) > 0 {
		b, start = openAttr(b, optionalTransitive, attrLargeCommunity)
		for _, v := range a.LargeCommunities {
			for _, part := range v {
				b = binary.BigEndian.AppendUint32(b, part)
			}
		}
		b = closeAttr(b, start)
	}
	return b
}

// appendPrefixSID appends the label index and one SRv6 service TLV for each SID.
func appendPrefixSID(b []byte, a *Attributes) []byte {
	if !a.HasLabelIndex && len(a.SRv6SIDs) == 0 {
		return b
	}
	b, start := openAttr(b, optionalTransitive, attrPrefixSID)
	if a.HasLabelIndex {
		b = append(b, tlvLabelIndex, 0, 7, 0, 0, 0)
		b = binary.BigEndian.AppendUint32(b, a.LabelIndex)
	}
	for i := range a.SRv6SIDs {
		b = appendSID(b, &a.SRv6SIDs[i])
	}
	return closeAttr(b, start)
}

func appendSID(b []byte, s *SRv6SID) []byte {
	typ := byte(tlvSRv6L3Service)
	if s.L2 {
		typ = tlvSRv6L2Service
	}
	const structure = 3 + sidStructureSize
	const info = sidInfoSize + structure
	addr := s.Addr.As16()
	b = append(b, typ, 0, 1+3+info, 0, subTLVSRv6SID, 0, info, 0)
	b = append(b, addr[:]...)
	b = append(b, 0, byte(s.Behavior>>8), byte(s.Behavior), 0, subSubTLVSRv6SID, 0, sidStructureSize)
	return append(b, s.BlockLength, s.NodeLength, s.FunctionLength, s.ArgumentLength,
		s.TranspositionLength, s.TranspositionOffset)
}

// AppendOpen appends an OPEN with the capabilities in o, header included. What does not fit into the 255 octets of its
// parameters is left out, the Capabilities first.
func AppendOpen(b []byte, o *Open) []byte {
	start := len(b)
	b = appendHeader(b, TypeOpen)
	version := o.Version
	if version == 0 {
		version = 4
	}
	b = append(b, version)
	b = binary.BigEndian.AppendUint16(b, narrow(o.AS))
	b = binary.BigEndian.AppendUint16(b, o.HoldTime)
	id := [4]byte{}
	if o.ID.Is4() {
		id = o.ID.As4()
	}
	b = append(append(b, id[:]...), 0)
	params := len(b)
	for _, f := range o.Families {
		b = append(b, paramCapability, 6, 1, 4, byte(f>>16), byte(f>>8), 0, byte(f))
	}
	if o.AS4 {
		b = append(b, paramCapability, 6, 65, 4)
		b = binary.BigEndian.AppendUint32(b, o.AS)
	}
	if n := min(len(o.AddPath), 60); n > 0 {
		b = append(b, paramCapability, byte(2+4*n), 69, byte(4*n))
		for _, e := range o.AddPath[:n] {
			b = append(b, byte(e.Family>>16), byte(e.Family>>8), byte(e.Family), byte(e.Mode))
		}
	}
	for _, c := range o.Capabilities {
		if n := len(c.Value); len(b)-params+4+n <= 255 {
			b = append(append(b, paramCapability, byte(2+n), c.Code, byte(n)), c.Value...)
		}
	}
	b[params-1] = byte(len(b) - params)
	return closeMessage(b, start)
}
