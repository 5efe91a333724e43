package ipfix

// opcode is one operation of a plan: it takes a field's octets and sets one field of a Flow.
type opcode uint8

const (
	opNone opcode = iota
	opSrcPort
	opDstPort
	opProto
	opIPVersion
	opEtherType
	opTOS
	opTTL
	opFlowLabel
	opTCPFlags
	opICMPType
	opICMPCode
	opICMPBothType // high octet of type and code in one
	opICMPBothCode
	opBytes
	opPackets
	opInIf
	opOutIf
	opSrcVLAN
	opDstVLAN
	opCoS
	opForwarding
	opMPLSTopType
	opTunnelProto
	opTunnelTOS
	opTunnelLabel
	opNATSrcPort
	opNATDstPort
	opNATEvent
	opEndReason
	opDirection
	opIngressVRF
	opEgressVRF
	opRD
	opSrcAS
	opDstAS
	opSrcMask
	opDstMask
	opSystemInit
	opStartSeconds
	opStartMillis
	opStartMicros
	opStartNanos
	opStartDelta
	opStartUptime
	opEndSeconds
	opEndMillis
	opEndMicros
	opEndNanos
	opEndDelta
	opEndUptime
	opSampling // parameters of sampling; which one is in the op's arg
	opSelector
	opSampler
	opSequence

	opSrc4
	opDst4
	opSrc6
	opDst6
	opTunnelSrc4
	opTunnelDst4
	opTunnelSrc6
	opTunnelDst6
	opNATSrc4
	opNATDst4
	opNATSrc6
	opNATDst6
	opNextHop4
	opNextHop6
	opBGPNextHop4
	opBGPNextHop6
	opSrcMAC
	opDstMAC
	opLabel
	opSegments
	opSegmentList
	opReverse // Flow.Reverse reads it when asked
)

// Slots of a plan beside the fields of a Flow, each filled by at most one field of a record. The slot of a Flow's field is
// the number of its bit in FieldSet.
const (
	slotLabel0       = 50 // to slotLabel0+9
	slotSegments     = 60
	slotSystemInit   = 61
	slotNextHop6     = 62 // a record may have next hops and translated addresses of both families
	slotBGPNextHop6  = 63
	slotNATSrc6      = 64
	slotNATDst6      = 65
	slotSamplingBase = 66 // one for each of samplingElements
	slotSelector     = slotSamplingBase + len(samplingElements)
	slotSampler      = slotSelector + 1
	slotSequence     = slotSampler + 1
	numSlots         = slotSequence + 1
)

// samplingElements are the elements that a sampling rate is computed from, in the order of samplingParams.
var samplingElements = [...]uint16{
	idSamplingInterval, idSamplerInterval, idSelectorAlgorithm, idPacketInterval, idPacketSpace,
	idSamplingSize, idSamplingPopulation, idSamplingProbability,
}

// shape says which lengths of a field an operation can take.
type shape uint8

const (
	shapeInt      shape = iota // 1 to 8 octets
	shapeExact                 // the rule's len, no other
	shapeMultiple              // a multiple of the rule's len
	shapeAny                   // the operation looks for itself
)

// rule says which slot an element fills. Of several elements for one slot the lowest rank wins.
type rule struct {
	id     uint16
	slot   uint8
	rank   uint8
	op     opcode
	shape  shape
	len    uint16
	family uint8 // 4 or 6: only in records of that family
	// inner says that an element which occurs once, before the addresses of the inner packet, describes the
	// outer one and not the flow.
	inner bool
}

// slotOf gives the slot of a Flow's field.
func slotOf(f FieldSet) uint8 {
	n := uint8(0)
	for f > 1 {
		f >>= 1
		n++
	}
	return n
}

// intRule is a rule for a number.
func intRule(id uint16, rank uint8, field FieldSet, op opcode) rule {
	return rule{id: id, slot: slotOf(field), rank: rank, op: op}
}

// octetRule is a rule for a value of a fixed length.
func octetRule(id uint16, rank uint8, field FieldSet, op opcode, octets uint16) rule {
	return rule{id: id, slot: slotOf(field), rank: rank, op: op, shape: shapeExact, len: octets}
}

// of returns the rule bound to an address family.
func (r rule) of(family uint8) rule { r.family = family; return r }

// layered returns the rule with inner set.
func (r rule) layered() rule { r.inner = true; return r }

// at returns the rule for another slot.
func (r rule) at(slot int) rule { r.slot = uint8(slot); return r }

// flowRules says what the elements of the IANA registry mean for a Flow. Rules of one element stand together.
var flowRules = []rule{
	intRule(1, 0, FieldBytes, opBytes),
	intRule(2, 0, FieldPackets, opPackets),
	intRule(idProtocol, 0, FieldProto, opProto),
	intRule(idTOS, 0, FieldTOS, opTOS),
	intRule(6, 0, FieldTCPFlags, opTCPFlags),
	intRule(7, 0, FieldSrcPort, opSrcPort),
	octetRule(idSrcV4, 0, FieldSrcAddr, opSrc4, 4).of(4),
	intRule(9, 0, FieldSrcMask, opSrcMask).of(4).layered(),
	intRule(idIngressInterface, 0, FieldInIf, opInIf),
	intRule(11, 0, FieldDstPort, opDstPort),
	octetRule(idDstV4, 0, FieldDstAddr, opDst4, 4).of(4),
	intRule(13, 0, FieldDstMask, opDstMask).of(4).layered(),
	intRule(idEgressInterface, 0, FieldOutIf, opOutIf),
	octetRule(15, 0, FieldNextHop, opNextHop4, 4),
	intRule(16, 0, FieldSrcAS, opSrcAS),
	intRule(17, 0, FieldDstAS, opDstAS),
	octetRule(18, 0, FieldBGPNextHop, opBGPNextHop4, 4),
	intRule(21, 5, FieldEnd, opEndUptime),
	intRule(22, 5, FieldStart, opStartUptime),
	intRule(23, 2, FieldBytes, opBytes),
	intRule(24, 2, FieldPackets, opPackets),
	octetRule(idSrcV6, 0, FieldSrcAddr, opSrc6, 16).of(6),
	octetRule(idDstV6, 0, FieldDstAddr, opDst6, 16).of(6),
	intRule(29, 1, FieldSrcMask, opSrcMask).of(6).layered(),
	intRule(30, 1, FieldDstMask, opDstMask).of(6).layered(),
	intRule(idFlowLabel, 0, FieldFlowLabel, opFlowLabel).of(6),
	intRule(32, 2, FieldICMPType, opICMPBothType).of(4),
	intRule(32, 2, FieldICMPCode, opICMPBothCode).of(4),
	intRule(46, 0, FieldMPLSTopType, opMPLSTopType),
	octetRule(56, 0, FieldSrcMAC, opSrcMAC, 6),
	octetRule(57, 1, FieldDstMAC, opDstMAC, 6),
	intRule(58, 0, FieldSrcVLAN, opSrcVLAN),
	intRule(59, 0, FieldDstVLAN, opDstVLAN),
	intRule(idIPVersion, 0, FieldIPVersion, opIPVersion).layered(),
	intRule(61, 0, FieldDirection, opDirection),
	octetRule(62, 0, FieldNextHop, opNextHop6, 16).at(slotNextHop6),
	octetRule(63, 0, FieldBGPNextHop, opBGPNextHop6, 16).at(slotBGPNextHop6),
	octetRule(80, 0, FieldDstMAC, opDstMAC, 6),
	octetRule(81, 1, FieldSrcMAC, opSrcMAC, 6),
	intRule(85, 1, FieldBytes, opBytes),
	intRule(86, 1, FieldPackets, opPackets),
	intRule(89, 0, FieldForwarding, opForwarding),
	octetRule(idRD, 0, FieldRD, opRD, 8),
	intRule(136, 0, FieldEndReason, opEndReason),
	intRule(139, 3, FieldICMPType, opICMPBothType).of(6),
	intRule(139, 3, FieldICMPCode, opICMPBothCode).of(6),
	intRule(150, 3, FieldStart, opStartSeconds),
	intRule(151, 3, FieldEnd, opEndSeconds),
	intRule(152, 2, FieldStart, opStartMillis),
	intRule(153, 2, FieldEnd, opEndMillis),
	octetRule(154, 1, FieldStart, opStartMicros, 8),
	octetRule(155, 1, FieldEnd, opEndMicros, 8),
	octetRule(156, 0, FieldStart, opStartNanos, 8),
	octetRule(157, 0, FieldEnd, opEndNanos, 8),
	intRule(158, 4, FieldStart, opStartDelta),
	intRule(159, 4, FieldEnd, opEndDelta),
	intRule(idSystemInit, 0, FieldStart, opSystemInit).at(slotSystemInit),
	intRule(176, 0, FieldICMPType, opICMPType).of(4),
	intRule(177, 0, FieldICMPCode, opICMPCode).of(4),
	intRule(178, 1, FieldICMPType, opICMPType).of(6),
	intRule(179, 1, FieldICMPCode, opICMPCode).of(6),
	intRule(180, 1, FieldSrcPort, opSrcPort),
	intRule(181, 1, FieldDstPort, opDstPort),
	intRule(182, 2, FieldSrcPort, opSrcPort),
	intRule(183, 2, FieldDstPort, opDstPort),
	intRule(192, 0, FieldTTL, opTTL).layered(),
	octetRule(225, 0, FieldNATSrc, opNATSrc4, 4),
	octetRule(226, 0, FieldNATDst, opNATDst4, 4),
	intRule(227, 0, FieldNATSrcPort, opNATSrcPort),
	intRule(228, 0, FieldNATDstPort, opNATDstPort),
	intRule(230, 0, FieldNATEvent, opNATEvent),
	intRule(idIngressVRF, 0, FieldIngressVRF, opIngressVRF),
	intRule(idEgressVRF, 0, FieldEgressVRF, opEgressVRF),
	intRule(243, 1, FieldSrcVLAN, opSrcVLAN),
	intRule(244, 0, FieldCoS, opCoS),
	intRule(254, 1, FieldDstVLAN, opDstVLAN),
	octetRule(256, 0, FieldEtherType, opEtherType, 2),
	octetRule(281, 0, FieldNATSrc, opNATSrc6, 16).at(slotNATSrc6),
	octetRule(282, 0, FieldNATDst, opNATDst6, 16).at(slotNATDst6),
	intRule(322, 9, FieldStart, opStartSeconds),
	intRule(322, 9, FieldEnd, opEndSeconds),
	intRule(323, 6, FieldStart, opStartMillis),
	intRule(323, 6, FieldEnd, opEndMillis),
	octetRule(324, 8, FieldStart, opStartMicros, 8),
	octetRule(324, 8, FieldEnd, opEndMicros, 8),
	octetRule(325, 7, FieldStart, opStartNanos, 8),
	octetRule(325, 7, FieldEnd, opEndNanos, 8),
	intRule(352, 3, FieldBytes, opBytes),
	{id: 496, slot: slotSegments, rank: 1, op: opSegmentList, shape: shapeAny},
	{id: 497, slot: slotSegments, op: opSegments, shape: shapeMultiple, len: 16},
	intRule(idSelectionSequence, 0, FieldSamplingRate, opSequence).at(slotSequence),
	intRule(idSelector, 0, FieldSamplingRate, opSelector).at(slotSelector),
	intRule(idSamplerID, 0, FieldSamplingRate, opSampler).at(slotSampler),
}

// ruleIndex maps an element of the IANA registry to its rules.
var ruleIndex = func() map[uint16][]rule {
	index := make(map[uint16][]rule, len(flowRules)+20)
	for _, r := range flowRules {
		index[r.id] = append(index[r.id], r)
	}
	for i := range uint16(10) { // mplsTopLabelStackSection to mplsLabelStackSection10
		index[70+i] = []rule{{id: 70 + i, slot: uint8(slotLabel0 + i), op: opLabel, shape: shapeExact, len: 3}}
	}
	for i, id := range samplingElements {
		index[id] = []rule{intRule(id, 0, FieldSamplingRate, opSampling).at(slotSamplingBase + i)}
	}
	return index
}()

// reverseRules says what elements of the reverse direction of a biflow mean, by the number of the element that they reverse.
var reverseRules = map[uint16][]rule{
	1:   {intRule(1, 0, FieldReverseBytes, opReverse)},
	2:   {intRule(2, 0, FieldReversePackets, opReverse)},
	23:  {intRule(23, 2, FieldReverseBytes, opReverse)},
	24:  {intRule(24, 2, FieldReversePackets, opReverse)},
	85:  {intRule(85, 1, FieldReverseBytes, opReverse)},
	86:  {intRule(86, 1, FieldReversePackets, opReverse)},
	352: {intRule(352, 3, FieldReverseBytes, opReverse)},
}

// rulesFor gives the rules of a template's field.
func rulesFor(version uint16, f *Field) []rule {
	switch {
	case f.PEN == enterpriseHuawei && f.ID == 505: // segment list as Huawei sent it before 497 was assigned
		return ruleIndex[497]
	case f.PEN == enterpriseReverse:
		return reverseRules[f.ID]
	case f.PEN != enterpriseIANA:
		return nil
	case version == VersionNetFlow9:
		if id, ok := v9Equivalent(f.ID); ok {
			return ruleIndex[id]
		}
	}
	return ruleIndex[f.ID]
}
