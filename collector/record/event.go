package record

import (
	"net/netip"
	"strconv"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
)

// Values that a message of the event topic carries about its own content. SCHEMA.md lists the fields.
const (
	// EventType is the "type" field of every event.
	EventType = "bmp"
	// EventSchema is their "schema" field. A change that breaks a reader raises it.
	EventSchema = 1
	// EventSchemaText is EventSchema as text, for headers.
	EventSchemaText = "1"
)

// The values of the field "event". Those that pmacct has too are named as there.
const (
	EventSessionUp   = "session_up"
	EventSessionDown = "session_down"
	EventInitiation  = "init"
	EventTermination = "term"
	EventPeerUp      = "peer_up"
	EventPeerDown    = "peer_down"
	EventRoute       = "route_monitor"
	EventStatistic   = "stats"
	EventMirror      = "route_mirror"
	EventRefused     = "refused"
	EventGap         = "gap"
)

// EventEncoder writes what one BMP session tells as events, numbering them. It belongs to one goroutine. It holds about 3 KiB and no
// message, but for the last attributes.
type EventEncoder struct {
	// Set by NewEventEncoder.
	slot    int
	device  netip.Addr
	session uint64

	name  string // of the device
	seq   uint64 // of the last event
	dates dateCache

	// Texts that events share, from the coarse to the fine.
	head     []byte          // up to "time_received"; all events read in one go
	peer     bmp.Peer        // without its time
	peerText []byte          // fields of peer; all its messages
	message  []byte          // "event", peer and "time_event"; all routes of a message
	run      []byte          // message, "action" and family; all its routes of one kind
	runKind  runKind         // of run
	attrs    *bgp.Attributes // of attrText
	attrText []byte          // fields of the attributes; all routes that have them
	rd       uint64          // of peer, for the families without their own
}

// NewEventEncoder returns an encoder for a session of a device. The number tells apart the device's sessions, also those before a
// restart.
func NewEventEncoder(slot int, device netip.Addr, session uint64) *EventEncoder {
	e := &EventEncoder{slot: slot, device: device, session: session, dates: newDateCache()}
	e.Arrived(0)
	return e
}

// SetDeviceName sets what the device calls itself, "" when it is not known. It counts from the next call of Arrived on.
func (e *EventEncoder) SetDeviceName(name string) { e.name = name }

// DeviceName returns what SetDeviceName was told.
func (e *EventEncoder) DeviceName() string { return e.name }

// Skip numbers events that are not written, for there is no room for them.
func (e *EventEncoder) Skip(n uint64) { e.seq += n }

// Seq returns the number of the last event, 0 when there was none.
func (e *EventEncoder) Seq() uint64 { return e.seq }

// Arrived says when the messages arrived whose events are written from now on, in Unix nanoseconds.
func (e *EventEncoder) Arrived(nanos int64) {
	b := append(e.head[:0], `{"type":"`+EventType+`","schema":`+EventSchemaText...)
	b = appendAddr(b, &keyDevice, e.device)
	b = appendText(b, &keyDeviceName, e.name)
	b = strconv.AppendInt(keySlot.append(b), int64(e.slot), 10)
	b = appendUint(b, &keySession, e.session)
	e.head = e.dates.append(b, &keyTimeReceived, nanos)
}

// begin writes the head of the next event.
func (e *EventEncoder) begin(dst []byte) []byte {
	e.seq++
	return appendUint(append(dst, e.head...), &keySeq, e.seq)
}

// open begins an event that is about no peer.
func (e *EventEncoder) open(dst []byte, event string) []byte {
	return appendWord(e.begin(dst), &keyEvent, event)
}

// openPeer begins an event of a peer.
func (e *EventEncoder) openPeer(dst []byte, event string, p *bmp.Peer) []byte {
	e.about(event, p)
	dst = append(e.begin(dst), e.message...)
	if e.rd != 0 {
		dst = appendRD(dst, &keyRD, ribRD(e.rd))
	}
	return dst
}

// about makes message the text of a per-peer header.
func (e *EventEncoder) about(event string, p *bmp.Peer) {
	same := *p
	same.Time = 0
	if len(e.peerText) == 0 || same != e.peer {
		e.peer, e.rd = same, p.RD()
		e.peerText = renderPeer(e.peerText[:0], p)
	}
	b := append(appendWord(e.message[:0], &keyEvent, event), e.peerText...)
	if p.Time != 0 {
		b = e.dates.append(b, &keyTimeEvent, p.Time)
	}
	e.message, e.runKind = b, runKind{}
}

func renderPeer(dst []byte, p *bmp.Peer) []byte {
	dst = appendWord(dst, &keyRIB, p.View().String())
	dst = appendAddr(dst, &keyBGPPeer, p.Addr)
	dst = appendUint(dst, &keyBGPPeerAS, uint64(p.AS))
	dst = appendAddr(dst, &keyBGPPeerID, p.BGPID)
	dst = appendUint(dst, &keyBGPPeerType, uint64(p.Type))
	dst = appendUint(dst, &keyBGPPeerFlags, uint64(p.Flags))
	if p.Distinguisher != 0 {
		dst = appendRD(dst, &keyBGPPeerDistinguisher, ribRD(p.Distinguisher))
	}
	return appendTrue(dst, &keyFiltered, p.Filtered())
}
