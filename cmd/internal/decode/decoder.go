package decode

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"time"

	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/cmd/internal/pcapfile"
	"github.com/telcol/telcol/collector/record"
	"github.com/telcol/telcol/ipfix"
)

// maxSessions bounds the devices and connections of a capture: each may make its session keep as much as a worker would.
const maxSessions = 16384

// deviceKey identifies a session: an exporter's datagrams, or one of its connections.
type deviceKey struct {
	addr netip.Addr
	conn int // number of the connection, 0 for datagrams
}

// device is an exporter with what it told.
type device struct {
	key     deviceKey
	session *ipfix.Session
	shown   map[shownKey]int // data records shown, by template definition
}

// shownKey identifies a template definition. A changed template is another one.
type shownKey struct {
	version uint16
	domain  uint32
	id      uint16
}

// decoder decodes one capture. It is the observer of the message that is being decoded.
type decoder struct {
	o       *Options
	out     *printer
	encoder *record.Encoder
	devices map[deviceKey]*device
	order   []*device // as they appeared
	streams map[streamKey]*stream
	conns   int // TCP connections with flows

	sessions []*bmpSession // as they appeared
	cache    *bgp.Cache    // of all of them

	sum Summary

	// The message being decoded.
	packet0 *pcapfile.Packet
	dev     *device
	msg     []byte
	head    ipfix.Header
	buf     []byte
}

// packet looks at one packet of the capture.
func (d *decoder) packet(p *pcapfile.Packet) {
	d.sum.Packets++
	if p.Proto == pcapfile.TCP {
		d.segment(p)
		return
	}
	if len(p.Payload) == 0 || d.o.carries(p) != flows {
		d.sum.Passed++
		return
	}
	if dev := d.device(deviceKey{addr: p.Src.Addr()}); dev != nil {
		d.message(dev, p, p.Payload)
	}
}

// device returns a session, nil when there are too many.
func (d *decoder) device(key deviceKey) *device {
	dev := d.devices[key]
	if dev == nil {
		if len(d.devices) >= maxSessions {
			d.sum.Refused++
			return nil
		}
		dev = &device{
			key: key, session: ipfix.NewSession(d.o.Model, d.o.Limits, nil), shown: make(map[shownKey]int),
		}
		d.devices[key] = dev
		d.order = append(d.order, dev)
	}
	return dev
}

// message decodes one message.
func (d *decoder) message(dev *device, p *pcapfile.Packet, msg []byte) {
	d.dev, d.packet0, d.msg = dev, p, msg
	now := p.Time.UnixNano()
	dev.session.Expire(now)
	if err := dev.session.Decode(msg, now, d); err != nil {
		d.malformed(dev.key.addr, p, msg, err.Error())
	}
	d.out.endMessage()
}

// malformed shows what could not be read.
func (d *decoder) malformed(addr netip.Addr, p *pcapfile.Packet, msg []byte, reason string) {
	d.sum.Malformed++
	if d.o.Template != 0 && !d.out.open() {
		return
	}
	d.out.malformed(&malformedEvent{
		Kind: "malformed", Time: p.Time.UTC(), Device: addr, From: p.Src, To: p.Dst, Octets: len(msg), Reason: reason,
		Begin: hex.EncodeToString(msg[:min(len(msg), 32)]),
	})
}

// Message notes the header; it is shown at once, or with the first of what the options select.
func (d *decoder) Message(h *ipfix.Header) {
	d.head = *h
	d.sum.Messages++
	e := &messageEvent{
		Kind: "message", Time: d.packet0.Time.UTC(), Device: d.dev.key.addr, From: d.packet0.Src, To: d.packet0.Dst,
		Transport: d.packet0.Proto.String(), Protocol: protocol(h.Version), Domain: h.Domain, Sequence: h.Sequence,
		Exported: time.Unix(0, h.ExportTime).UTC(), Uptime: h.Uptime, Octets: h.Length, Sets: setsOf(d.msg[:h.Length], h.Version),
	}
	d.out.beginMessage(e, d.o.Template == 0)
}

func protocol(version uint16) string {
	if version == ipfix.VersionNetFlow9 {
		return "netflow_v9"
	}
	return "ipfix"
}

// setsOf finds the sets of a message up to the first whose length does not fit; the decoder says what is wrong with that.
func setsOf(msg []byte, version uint16) []setEvent {
	at := 16
	if version == ipfix.VersionNetFlow9 {
		at = 20
	}
	var sets []setEvent
	for len(msg)-at >= 4 {
		n := int(binary.BigEndian.Uint16(msg[at+2:]))
		if n < 4 || n > len(msg)-at {
			break
		}
		sets = append(sets, setEvent{ID: binary.BigEndian.Uint16(msg[at:]), Offset: at, Octets: n})
		at += n
	}
	return sets
}

// selected reports whether what concerns a template is shown.
func (d *decoder) selected(template uint16) bool {
	return d.o.Template == 0 || d.o.Template == template
}

// Template shows a template.
func (d *decoder) Template(t *ipfix.Template, change ipfix.TemplateChange) {
	if change == ipfix.TemplateChanged || change == ipfix.TemplateLearnt {
		delete(d.dev.shown, shownKey{t.Version, t.Domain, t.ID})
	}
	if !d.selected(t.ID) {
		return
	}
	e := &templateEvent{
		Kind: "template", Device: d.dev.key.addr, Domain: t.Domain, Template: t.ID, Change: change.String(), Options: t.Options,
	}
	if change != ipfix.TemplateWithdrawn && change != ipfix.TemplateRefreshed {
		for i := range t.Fields {
			e.Fields = append(e.Fields, describe(&t.Fields[i]))
		}
	}
	d.out.template(e)
}

// describe says what a template says of a field.
func describe(f *ipfix.Field) fieldEvent {
	e := fieldEvent{Name: string(f.AppendName(nil)), ID: f.ID, PEN: f.PEN, Octets: f.Len, Scope: f.Scope}
	if f.Variable() {
		e.Octets = "variable"
	}
	if f.Name != "" {
		e.Type = ipfix.TypeName(f.Type)
	}
	return e
}

// Options shows an options record.
func (d *decoder) Options(h *ipfix.Header, r ipfix.Record) {
	if !d.selected(r.Template.ID) {
		return
	}
	e := d.fields(&r)
	e.Kind, e.Domain, e.Sequence = "options", h.Domain, h.Sequence
	d.out.record(e)
}

// Unknown shows a data set that waits for its template.
func (d *decoder) Unknown(h *ipfix.Header, template uint16, set []byte) {
	if d.selected(template) {
		d.out.unknown(&unknownEvent{Kind: "unknown", Device: d.dev.key.addr, Domain: h.Domain, Template: template, Octets: len(set)})
	}
}

// Flow shows a data record.
func (d *decoder) Flow(f *ipfix.Flow) {
	key := shownKey{f.Version, f.Domain, f.TemplateID}
	if !d.selected(f.TemplateID) || d.o.Records != AllRecords && d.dev.shown[key] >= d.o.Records {
		return
	}
	d.dev.shown[key]++
	e := d.fields(&f.Record)
	position := f.Position
	e.Kind, e.Domain, e.Sequence, e.Offset = "data", f.Domain, f.Sequence, &position
	e.Held = f.Sequence != d.head.Sequence || f.ExportTime != d.head.ExportTime
	e.Record = d.published(f)
	d.out.record(e)
}

// fields gives the fields of a record for both formats.
func (d *decoder) fields(r *ipfix.Record) *recordEvent {
	e := &recordEvent{Device: d.dev.key.addr, Template: r.Template.ID}
	if d.o.Format == JSON {
		e.Fields = r.AppendObject(nil, r.All())
		return e
	}
	for i := range r.Len() {
		e.texts = append(e.texts, fieldText{string(r.Field(i).AppendName(nil)), string(r.AppendText(nil, i))})
	}
	return e
}
