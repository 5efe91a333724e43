package decode

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/cmd/internal/pcapfile"
	"github.com/telcol/telcol/collector/record"
)

// maxPeerViews bounds the views whose counts a BMP session keeps, as the peers that a worker's session remembers are.
const maxPeerViews = 16384

// errNoMore says that what has come of a stream was read.
var errNoMore = errors.New("no more octets yet")

// arrived is the source of a bmp.Reader: what has come of a stream so far.
type arrived []byte

func (a *arrived) Read(b []byte) (int, error) {
	if len(*a) == 0 {
		return 0, errNoMore
	}
	n := copy(b, *a)
	*a = (*a)[n:]
	return n, nil
}

// bmpSession is one BMP session with what it told.
type bmpSession struct {
	from    netip.AddrPort
	source  arrived
	reader  *bmp.Reader
	session *bmp.Session
	encoder *record.EventEncoder
	up      map[bmp.PeerKey]bool
	views   map[viewKey]*peerView
	order   []viewKey // as they appeared
	beyond  int       // messages of views that are more than maxPeerViews
	buf     []byte
}

// viewKey identifies a view of a peer.
type viewKey struct {
	peer bmp.PeerKey
	view bmp.View
}

// peerView is what was told of a view.
type peerView struct {
	peer                 bmp.Peer // by its last message
	table                string
	announced, withdrawn int
	endOfRIB             []bgp.Family
	shown                int
}

// newBMP begins a session with its first packet. It is nil when there are too many.
func (d *decoder) newBMP(p *pcapfile.Packet) *bmpSession {
	if len(d.sessions) >= maxSessions {
		d.sum.Refused++
		return nil
	}
	if d.cache == nil {
		d.cache = bgp.NewCache(bgp.CacheConfig{})
	}
	s := &bmpSession{
		from: p.Src, session: bmp.NewSession(bmp.Config{Cache: d.cache}),
		encoder: record.NewEventEncoder(0, p.Src.Addr(), uint64(p.Time.UnixMicro())),
		up:      make(map[bmp.PeerKey]bool), views: make(map[viewKey]*peerView),
	}
	s.reader = bmp.NewReader(&s.source, 0, nil)
	s.encoder.Skip(1) // a worker's first event says that the session is there
	d.sessions = append(d.sessions, s)
	return s
}

// take decodes the messages that are whole with the next octets.
func (s *bmpSession) take(d *decoder, p *pcapfile.Packet, octets []byte) bool {
	s.source = octets
	for {
		msg, err := s.reader.Next()
		switch {
		case errors.Is(err, errNoMore):
			return true
		case err != nil:
			d.malformed(s.from.Addr(), p, s.reader.Pending(), fmt.Sprintf("%v: the rest of the connection cannot be read", err))
			return false
		}
		s.message(d, p, msg)
	}
}

func (s *bmpSession) open() bool { return len(s.reader.Pending()) > 0 }

// message shows a message, what it says, and the events that a worker would publish of it.
func (s *bmpSession) message(d *decoder, p *pcapfile.Packet, msg []byte) {
	d.sum.BMP.Messages++
	s.encoder.Arrived(p.Time.UnixNano())
	m, err := s.session.Decode(msg)
	head := &bmpEvent{
		Kind: "bmp", Time: p.Time.UTC(), Device: s.from.Addr(), From: p.Src, To: p.Dst, Version: msg[0],
		Type: bmp.MessageType(msg[5]).String(), Octets: len(msg),
	}
	if bmp.MessageType(msg[5]) >= bmp.TypeUnknown {
		head.Type = fmt.Sprintf("unknown type %d", msg[5])
	}
	d.out.bmp(head)
	if err != nil {
		d.malformed(s.from.Addr(), p, msg, err.Error())
		s.event(d, nil, func(dst []byte) []byte { return s.encoder.AppendRefused(dst, err.Error()) })
	}
	s.said(d, p, m, err)
}

// said shows what a message says. Of one that could be read in part only, what a worker goes by too: a peer is up or down all
// the same, but no route counts.
func (s *bmpSession) said(d *decoder, p *pcapfile.Packet, m bmp.Message, err error) {
	switch m := m.(type) {
	case *bmp.Initiation:
		if m.SysName != "" {
			s.encoder.SetDeviceName(m.SysName)
			s.encoder.Arrived(p.Time.UnixNano()) // so that this event has the name
		}
		s.event(d, initiationText(m), func(dst []byte) []byte { return s.encoder.AppendInitiation(dst, m) })
	case *bmp.Termination:
		s.event(d, terminationText(m), func(dst []byte) []byte { return s.encoder.AppendTermination(dst, m) })
	case *bmp.PeerUp:
		s.up[m.Key()] = true
		if v := s.view(&m.Peer); m.TableName != "" {
			v.table = m.TableName
		}
		d.out.line(peerText(&m.Peer))
		s.event(d, peerUpText(m), func(dst []byte) []byte { return s.encoder.AppendPeerUp(dst, m) })
	case *bmp.PeerDown:
		s.up[m.Key()] = false
		s.view(&m.Peer)
		d.out.line(peerText(&m.Peer))
		s.event(d, peerDownText(m), func(dst []byte) []byte { return s.encoder.AppendPeerDown(dst, m) })
	case *bmp.Statistics:
		d.out.line(peerText(&m.Peer))
		for i := range m.Stats {
			s.event(d, statisticText(&m.Stats[i]), func(dst []byte) []byte { return s.encoder.AppendStatistic(dst, m, &m.Stats[i]) })
		}
	case *bmp.RouteMirroring:
		d.out.line(peerText(&m.Peer))
		s.event(d, mirrorText(m), func(dst []byte) []byte { return s.encoder.AppendMirror(dst, m) })
	case *bmp.RouteMonitoring:
		v := s.view(&m.Peer)
		d.out.line(routesText(m))
		if err == nil {
			s.routes(d, v, m)
		}
	}
}

// view returns the counts of a view.
func (s *bmpSession) view(p *bmp.Peer) *peerView {
	key := viewKey{p.Key(), p.View()}
	v := s.views[key]
	if v == nil {
		v = new(peerView)
		if len(s.views) < maxPeerViews {
			s.views[key] = v
			s.order = append(s.order, key)
		} else {
			s.beyond++
		}
	}
	v.peer = *p
	return v
}

// routes shows the routes of an UPDATE in the order in which a worker takes them.
func (s *bmpSession) routes(d *decoder, v *peerView, m *bmp.RouteMonitoring) {
	s.encoder.Routes(m)
	for i := range m.Withdrawn {
		n := &m.Withdrawn[i]
		v.withdrawn++
		d.sum.BMP.Withdrawn++
		s.route(d, v, func() []string { return prefixText("withdraw", n, nil) },
			func(dst []byte) []byte { return s.encoder.AppendWithdraw(dst, n) })
	}
	for i := range m.OtherWithdrawn {
		n := &m.OtherWithdrawn[i]
		v.withdrawn++
		d.sum.BMP.Withdrawn++
		s.route(d, v, func() []string { return otherText("withdraw", n, nil) },
			func(dst []byte) []byte { return s.encoder.AppendOther(dst, n, nil) })
	}
	for i := range m.Announced {
		a := &m.Announced[i]
		for j := range a.NLRI {
			v.announced++
			d.sum.BMP.Announced++
			s.route(d, v, func() []string { return prefixText("update", &a.NLRI[j], a.Attrs) },
				func(dst []byte) []byte { return s.encoder.AppendUpdate(dst, &a.NLRI[j], a.Attrs) })
		}
		for j := range a.Other {
			v.announced++
			d.sum.BMP.Announced++
			s.route(d, v, func() []string { return otherText("update", &a.Other[j], a.Attrs) },
				func(dst []byte) []byte { return s.encoder.AppendOther(dst, &a.Other[j], a.Attrs) })
		}
	}
	if f := m.EndOfRIB; f != 0 {
		if !slices.Contains(v.endOfRIB, f) {
			v.endOfRIB = append(v.endOfRIB, f)
		}
		d.sum.BMP.EndOfRIB++
		s.event(d, []string{"end-of-rib " + f.String()}, func(dst []byte) []byte { return s.encoder.AppendEndOfRIB(dst, f) })
	}
}

// route shows a route, unless enough of its view were.
func (s *bmpSession) route(d *decoder, v *peerView, text func() []string, write func([]byte) []byte) {
	if d.o.Records != AllRecords && v.shown >= d.o.Records {
		s.encoder.Skip(1)
		return
	}
	v.shown++
	s.event(d, text(), write)
}

// event shows one event.
func (s *bmpSession) event(d *decoder, text []string, write func([]byte) []byte) {
	s.buf = write(s.buf[:0])
	d.out.event(&publishedEvent{Kind: "bmp_event", Device: s.from.Addr(), Event: json.RawMessage(s.buf), texts: text})
}

// peers shows the peers of a session at the end of the capture.
func (s *bmpSession) peers(d *decoder) {
	e := &peersEvent{Kind: "bmp_peers", Device: s.from.Addr(), From: s.from, Name: s.encoder.DeviceName(), Beyond: s.beyond}
	for _, key := range s.order {
		v := s.views[key]
		row := peerEvent{
			Peer: v.peer.Addr, AS: v.peer.AS, RIB: key.view.String(), Table: v.table, Up: s.up[key.peer],
			Announced: v.announced, Withdrawn: v.withdrawn,
		}
		if v.peer.Distinguisher != 0 {
			row.Distinguisher = distinguisher(&v.peer)
		}
		for _, f := range v.endOfRIB {
			row.EndOfRIB = append(row.EndOfRIB, f.String())
		}
		e.Rows = append(e.Rows, row)
	}
	d.out.peers(e)
}

// BMPSummary counts what was found of BMP.
type BMPSummary struct {
	Sessions  int
	Messages  int // decoded, whole or in part
	Announced int // routes
	Withdrawn int
	EndOfRIB  int
	Counters  bmp.Counters // of the decoder, over all sessions
}
