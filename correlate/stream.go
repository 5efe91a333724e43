package correlate

import (
	"encoding/binary"
	"fmt"
	"iter"
	"net/netip"

	"github.com/telcol/telcol/ipfix"
)

// Stream names a transport session of a device beside its datagrams as a whole, whose templates are its own (RFC 7011 section
// 8): a TCP connection, the datagrams of another address of the device, or with Config.PortInTemplateKey those of one source port. The
// zero Stream is all other datagrams.
type Stream struct {
	Addr netip.Addr // of datagrams from another address of the device, see SetAliases; else invalid
	Conn uint64     // of a TCP connection, unique in this process; 0 for datagrams
	Port uint16     // of datagrams, 0 for TCP
}

// stream is a transport session at work.
type stream struct {
	session *ipfix.Session
	seen    int64 // Unix nanoseconds of its last message
}

// maxPorts bounds the source ports of a device with templates of their own. Beyond it the port that was silent for longest makes room: a device
// that changes its port leaves the old one behind.
const maxPorts = 64

// MessageFrom is Message for a datagram whose source port may matter.
func (c *Correlator) MessageFrom(src netip.AddrPort, msg []byte, received int64) error {
	s := Stream{}
	if c.cfg.PortInTemplateKey {
		s.Port = src.Port()
	}
	return c.StreamMessage(src.Addr(), s, msg, received)
}

// StreamMessage is Message for a message of a transport session.
func (c *Correlator) StreamMessage(src netip.Addr, s Stream, msg []byte, received int64) error {
	if len(msg) < 2 {
		c.counted.TooShort++
		return ErrShort
	}
	if v := binary.BigEndian.Uint16(msg); v != ipfix.VersionIPFIX && v != ipfix.VersionNetFlow9 {
		c.countVersion(v)
		return fmt.Errorf("%s: %w", versionText(v), ErrVersion)
	}
	device := c.Canonical(src)
	if device != src && s.Conn == 0 {
		s.Addr = src
	}
	d := c.deviceOf(device, received)
	if d == nil {
		c.counted.DeviceQuota++
		return ErrDeviceQuota
	}
	c.review(d, received, releaseSlice) // what waits for what has come by now goes before what comes now
	c.device = d
	r := &c.rec
	r.Device, r.DeviceName, r.Exporter, r.Received = d.addr, d.name, src, received
	err := c.sessionOf(d, s, received).Decode(msg, received, c)
	if err != nil {
		c.counted.Malformed++
	}
	c.review(d, received, releaseSlice)
	return err
}

// versionText names a version that is not decoded, for those who have to change it at the router.
func versionText(v uint16) string {
	switch v {
	case 0: // the first half of its version, which has four octets
		return "version 0, perhaps sFlow"
	case 1, 5, 6, 7, 8:
		return fmt.Sprintf("NetFlow v%d instead of v9 or IPFIX", v)
	}
	return fmt.Sprintf("version %d", v)
}

// sessionOf finds or makes the decoder of a stream.
func (c *Correlator) sessionOf(d *Device, s Stream, now int64) *ipfix.Session {
	if s == (Stream{}) {
		return d.session
	}
	st := d.streams[s]
	if st == nil {
		if s.Conn == 0 {
			c.makePortRoom(d)
		}
		st = d.putStream(s, c.newSession(d, s), now)
	}
	st.seen = now
	return st.session
}

func (d *Device) putStream(s Stream, session *ipfix.Session, seen int64) *stream {
	if d.streams == nil {
		d.streams = make(map[Stream]*stream)
	}
	st := &stream{session: session, seen: seen}
	d.streams[s] = st
	return st
}

func (c *Correlator) newSession(d *Device, s Stream) *ipfix.Session {
	cfg := c.cfg.IPFIX
	if s.Conn != 0 { // sent once, and a withdrawal cannot come late
		cfg.TemplateAge, cfg.IgnoreWithdrawals = -1, false
	}
	return ipfix.NewSession(c.model, cfg, d.options)
}

// makePortRoom ends the session of the port that was silent for longest if there are too many.
func (c *Correlator) makePortRoom(d *Device) {
	ports, oldest := 0, Stream{}
	for s, st := range d.streams {
		if s.Conn != 0 {
			continue
		}
		ports++
		if oldest == (Stream{}) || st.seen < d.streams[oldest].seen {
			oldest = s
		}
	}
	if ports >= maxPorts {
		c.endStream(d, oldest)
	}
}

// StreamEnded forgets a TCP connection with its templates. What waited for one of them is counted as ended.
func (c *Correlator) StreamEnded(src netip.Addr, s Stream) {
	if d := c.devices[c.Canonical(src)]; d != nil {
		c.endStream(d, s)
	}
}

func (c *Correlator) endStream(d *Device, s Stream) {
	st := d.streams[s]
	if st == nil {
		return
	}
	delete(d.streams, s)
	st.session.End()
	d.ownChanges += st.session.OwnChanges()
	c.gone.Add(&st.session.Counters)
}

// Sequences yields the observation domains of the device's transport sessions with what their sequence numbers told, in no order.
func (d *Device) Sequences() iter.Seq2[Stream, ipfix.Domain] {
	return func(yield func(Stream, ipfix.Domain) bool) {
		for stream, session := range d.allSessions() {
			for domain := range session.Domains() {
				if !yield(stream, domain) {
					return
				}
			}
		}
	}
}

// Templates yields the templates of the device's transport sessions, in no order. A Template does not change and may be kept.
func (d *Device) Templates() iter.Seq2[Stream, *ipfix.Template] {
	return func(yield func(Stream, *ipfix.Template) bool) {
		for stream, session := range d.allSessions() {
			for t := range session.Templates() {
				if !yield(stream, t) {
					return
				}
			}
		}
	}
}

// allSessions yields the decoders of the device, that of its datagrams as the zero Stream.
func (d *Device) allSessions() iter.Seq2[Stream, *ipfix.Session] {
	return func(yield func(Stream, *ipfix.Session) bool) {
		if d.session == nil || !yield(Stream{}, d.session) {
			return
		}
		for stream, st := range d.streams {
			if !yield(stream, st.session) {
				return
			}
		}
	}
}

// changes rises with whatever appendState would tell differently.
func (d *Device) changes() uint64 {
	n := d.options.Changes() + d.ownChanges
	for _, s := range d.allSessions() {
		n += s.OwnChanges()
	}
	return n
}
