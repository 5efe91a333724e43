package record

import "github.com/telcol/telcol/bmp"

// AppendSessionUp appends the event that opens a session: the device has connected from a port, and has so many sessions with this one.
func (e *EventEncoder) AppendSessionUp(dst []byte, port uint16, sessions int) []byte {
	dst = e.open(dst, EventSessionUp)
	dst = appendUint(dst, &keySourcePort, uint64(port))
	return append(appendUint(dst, &keyOpenSessions, uint64(sessions)), '}')
}

// AppendSessionDown appends the event that ends a session. The reason is a word of the schema; an error is added where there was one.
func (e *EventEncoder) AppendSessionDown(dst []byte, reason, err string) []byte {
	dst = appendWord(e.open(dst, EventSessionDown), &keyReasonText, reason)
	return append(appendText(dst, &keyError, err), '}')
}

// AppendInitiation appends the event of an Initiation.
func (e *EventEncoder) AppendInitiation(dst []byte, m *bmp.Initiation) []byte {
	dst = e.open(dst, EventInitiation)
	dst = appendText(dst, &keySysName, m.SysName)
	dst = appendText(dst, &keySysDescr, m.SysDescr)
	dst = appendStrings(dst, &keyInfo, m.Strings)
	return append(appendTLVs(dst, m.TLVs), '}')
}

// AppendTermination appends the event of a Termination.
func (e *EventEncoder) AppendTermination(dst []byte, m *bmp.Termination) []byte {
	dst = e.open(dst, EventTermination)
	dst = appendIf(dst, &keyReason, m.HasReason, uint64(m.Reason))
	dst = appendWord(dst, &keyReasonText, m.ReasonText())
	dst = appendStrings(dst, &keyInfo, m.Strings)
	return append(appendTLVs(dst, m.TLVs), '}')
}

// AppendRefused appends the event of a message that could not be decoded.
func (e *EventEncoder) AppendRefused(dst []byte, err string) []byte {
	return append(appendText(e.open(dst, EventRefused), &keyError, err), '}')
}

// Gap says which events of a session were not published.
type Gap struct {
	Lost     uint64 // how many, from number From to number To
	From, To uint64
	Start    int64 // arrival of the first and the last of them, Unix nanoseconds
	End      int64
}

// AppendGap appends the event that tells of a gap. Its own number follows that of the last event lost.
func (e *EventEncoder) AppendGap(dst []byte, g *Gap) []byte {
	dst = e.open(dst, EventGap)
	dst = appendUint(dst, &keyLost, g.Lost)
	dst = appendUint(dst, &keySeqFrom, g.From)
	dst = appendUint(dst, &keySeqTo, g.To)
	dst = e.dates.append(dst, &keyTimeFrom, g.Start)
	return append(e.dates.append(dst, &keyTimeTo, g.End), '}')
}
