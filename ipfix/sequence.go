package ipfix

// Limits of what a sequence number can say. A jump further ahead is a new count, not a loss; a message further back is too.
const (
	maxGapRecords  = 1 << 26
	maxGapMessages = 1 << 20
	maxLateRecords = 1 << 20
	maxUptimeBack  = 60_000 // milliseconds by which reordering may set back the uptime of NetFlow v9
)

// Sequence says what the sequence numbers of a domain told. IPFIX counts data records, NetFlow v9 messages.
type Sequence struct {
	Lost     uint64 // missing so far; those that came late are in it
	Late     uint64 // came after their successors
	Restarts uint64 // times the exporter began to count anew
}

// sequence follows the sequence numbers of a domain.
type sequence struct {
	Sequence

	seen   bool
	sure   bool   // next is what must come: the last message could be counted
	next   uint32 // number of the next message
	export int64  // newest export time
	uptime uint32 // NetFlow v9, of that message
}

// verdict is what one message's number says.
type verdict struct {
	lost, late uint64
	restart    bool
}

// follow takes the number of a message that counts as so many units. With sure unset, they could not all be counted, and
// the next message says nothing of loss.
func (q *sequence) follow(h *Header, units uint32, sure bool) verdict {
	v := verdict{}
	if q.seen {
		v = q.judge(h, units)
	}
	q.Lost += v.lost
	q.Late += v.late
	if v.restart {
		q.Restarts++
	}
	if v.late > 0 {
		return v // its successors were there already: next stands
	}
	q.seen, q.sure, q.next = true, sure, h.Sequence+units
	q.export, q.uptime = max(q.export, h.ExportTime), h.Uptime
	if v.restart {
		q.export = h.ExportTime
	}
	return v
}

// judge compares a number with the expected one.
func (q *sequence) judge(h *Header, units uint32) verdict {
	gap, late := int32(maxGapRecords), int32(maxLateRecords)
	if h.Version == VersionNetFlow9 {
		gap, late = maxGapMessages, maxGapMessages
		if back := int32(q.uptime - h.Uptime); back > maxUptimeBack && h.ExportTime >= q.export {
			return verdict{restart: true}
		}
	}
	switch ahead := int32(h.Sequence - q.next); {
	case ahead == 0:
		return verdict{}
	case ahead > gap:
		return verdict{restart: true}
	case ahead > 0:
		if !q.sure {
			return verdict{}
		}
		return verdict{lost: uint64(ahead)}
	case h.ExportTime > q.export || -ahead > late:
		// Sent later with a lower number: not a straggler, a new count.
		return verdict{restart: q.sure || -ahead > late}
	}
	return verdict{late: uint64(max(units, 1))}
}

// Domain says how an observation domain of a session does.
type Domain struct {
	Version   uint16 // VersionIPFIX or VersionNetFlow9
	ID        uint32
	Templates int
	Held      int // data sets that wait for a template
	Messages  uint64
	Records   uint64 // data and options records
	Sequence
}
