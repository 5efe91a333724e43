package record

import (
	"net/netip"
	"strconv"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// Encoder writes records. It remembers the text of what records share: the identity of their message, dates, interfaces
// and VRFs, and the attributes of recently used routes. It belongs to one goroutine.
type Encoder struct {
	// Set by NewEncoder.
	slot         int
	extra        bool
	renormalize  bool
	cacheEntries int
	joins        *joinTexts

	// Caches, all of bounded size.
	message    messageKey
	rendered   bool   // head and identity are those of message
	head       []byte // from the opening brace up to the position in record_id
	identity   []byte // from the end of record_id to the last field of the message
	dates      dateCache
	interfaces fragments[interfaceKey]
	vrfs       fragments[vrfKey]
	routes     routeCache
	src, dst   side
}

// Option changes an Encoder under construction.
type Option func(*Encoder)

// WithExtra makes the encoder write the "extra" object: what the data record holds beside the fields of the schema.
func WithExtra() Option { return func(e *Encoder) { e.extra = true } }

// WithRenormalize makes the encoder multiply bytes and packets by the sampling rate of their record and say so by the field
// "renormalized". Where the rate is not known the counters stay as exported, without the field.
func WithRenormalize() Option { return func(e *Encoder) { e.renormalize = true } }

// WithRouteCache sets how many sets of path attributes are kept in their encoded form. It is rounded up to a power of
// two; the default is DefaultRouteCache, and below 1 there is no cache. An entry takes 320 octets.
func WithRouteCache(entries int) Option { return func(e *Encoder) { e.cacheEntries = entries } }

// NewEncoder returns an encoder for the records of a worker's slot.
func NewEncoder(slot int, opts ...Option) *Encoder {
	e := &Encoder{slot: slot, cacheEntries: DefaultRouteCache, joins: newJoinTexts(), dates: newDateCache()}
	e.interfaces = make(fragments[interfaceKey], interfaceFragments)
	e.vrfs = make(fragments[vrfKey], vrfFragments)
	for _, opt := range opts {
		opt(e)
	}
	e.routes = newRouteCache(e.cacheEntries)
	e.src, e.dst = newSide("src_", e.routes), newSide("dst_", e.routes)
	return e
}

// Ahead asks the memory for what a record with a route of those attributes will need, 0 for none. Called for both routes of a record
// while the one before is being joined and written, it spares AppendJSON the wait.
func (e *Encoder) Ahead(id rib.AttrID) {
	if id != 0 {
		e.routes.fetch(id)
	}
}

// AppendJSON appends the record as one JSON object and returns the extended slice. Nothing of the record is kept but
// its names and the attributes of its routes. It allocates only to grow dst or to fill its caches.
func (e *Encoder) AppendJSON(dst []byte, r *correlate.Record) []byte {
	f := r.Flow
	dst = e.appendIdentity(dst, r)
	dst = e.appendTimes(dst, f)
	dst = appendTuple(dst, f)
	dst = appendPacketFields(dst, f)
	dst = e.appendCounters(dst, f)
	dst = e.appendInterfaces(dst, r)
	if f.Has&layer2Fields != 0 {
		dst = appendLayer2(dst, f)
	}
	dst = appendForwarding(dst, f)
	if f.Has&rareFields != 0 {
		dst = e.appendReverse(appendNAT(appendTunnel(dst, f), f), f)
	}
	dst = e.appendVRF(dst, r)
	if f.Has&exporterFields != 0 {
		dst = appendExporterRoute(dst, f)
	}
	if e.extra {
		dst = appendExtra(dst, &f.Record)
	}
	dst = e.src.append(dst, &r.Src, &e.dates)
	dst = e.dst.append(dst, &r.Dst, &e.dates)
	return e.joins.append(dst, r)
}

// messageKey is all that the identity fields depend on, but for the position.
type messageKey struct {
	device, exporter     netip.Addr
	name                 string
	received, exportTime int64
	domain, sequence     uint32
	template, version    uint16
}

func (e *Encoder) appendIdentity(dst []byte, r *correlate.Record) []byte {
	f := r.Flow
	key := messageKey{
		device: r.Device, exporter: r.Exporter, name: r.DeviceName,
		received: r.Received, exportTime: f.ExportTime,
		domain: f.Domain, sequence: f.Sequence, template: f.TemplateID, version: f.Version,
	}
	if !e.rendered || key != e.message {
		e.render(key)
	}
	dst = append(dst, e.head...)
	dst = appendDecimal(dst, uint64(f.Position))
	return append(dst, e.identity...)
}

// render writes head and identity for a message.
func (e *Encoder) render(k messageKey) {
	e.message, e.rendered = k, true

	b := append(e.head[:0], `{"type":"`+Type+`","schema":`+SchemaText...)
	b = appendDecimal(keyRecordID.append(b), uint64(k.domain))
	b = append(b, '-')
	b = strconv.AppendInt(b, floorDiv(k.exportTime, nanosPerSecond), 10)
	b = appendDecimal(append(b, '-'), uint64(k.sequence))
	e.head = append(b, '-')

	b = append(e.identity[:0], '"')
	b = appendAddr(b, &keyDevice, k.device)
	b = appendText(b, &keyDeviceName, k.name)
	b = appendAddr(b, &keyExporterAddr, k.exporter)
	b = strconv.AppendInt(keySlot.append(b), int64(e.slot), 10)
	b = e.dates.append(b, &keyTimeReceived, k.received)
	b = e.dates.append(b, &keyTimeExported, k.exportTime)
	switch k.version {
	case ipfix.VersionIPFIX:
		b = appendWord(b, &keyFlowProtocol, "ipfix")
	case ipfix.VersionNetFlow9:
		b = appendWord(b, &keyFlowProtocol, "netflow_v9")
	}
	b = appendUint(b, &keyObservationDomainID, uint64(k.domain))
	b = appendUint(b, &keySequenceNum, uint64(k.sequence))
	e.identity = appendUint(b, &keyTemplateID, uint64(k.template))
}
