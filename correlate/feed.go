package correlate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime/debug"
	"slices"
	"time"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/correlate/rib"
)

// FeedConfig sets up a Feed.
type FeedConfig struct {
	MaxMessage int             // octets of a BMP message, default bmp.DefaultMaxMessage
	MaxPeers   int             // see bmp.Config
	Session    uint64          // tells apart the sessions of a worker
	Cache      *bgp.Cache      // decoded attributes, may be shared by all feeds
	Now        func() int64    // Unix nanoseconds, arrival time of messages that carry none; default the clock
	Refused    func(err error) // called for each message that could not be decoded; may be nil
	Observer   Observer        // told of every message; may be nil
	Resume     *Paused         // what Feed.Paused told of the session before, nil for a new one
}

// ErrPaused is what a session's stream returns to make Run end although the session does not: another Feed, perhaps in another process,
// goes on with what Paused tells.
var ErrPaused = errors.New("session is paused")

// Paused is a session between two Feeds.
type Paused struct {
	State   []byte // of its decoder, see bmp.Session.AppendState
	Pending []byte // octets that were read and belong in front of the stream
}

// Check reports whether the state can be taken up.
func (p *Paused) Check() error { return bmp.NewSession(bmp.Config{}).RestoreState(p.State) }

// Observer is told what a session says, in its order and in its goroutine.
type Observer interface {
	// Message takes a message, or with an error what could be read of one that was refused, which may be nothing. It must not keep what
	// bmp.Session.Decode does not leave to its caller.
	Message(m bmp.Message, err error)
	// Flush is called when the owner has been given what was read, before the session waits for more. It may wait, which slows this
	// session down and nothing else.
	Flush()
}

// Feed decodes one BMP session and hands what it tells to the owner of a Correlator as Batches. It belongs to the session's
// goroutine.
type Feed struct {
	cfg     FeedConfig
	device  netip.Addr
	session *bmp.Session
	out     chan<- *Batch
	free    chan *Batch
	batch   *Batch
	counted bmp.Counters // what the owner has been told of the session's
	reader  *bmp.Reader
}

// batchesPerFeed is how many batches a session may have under way; then it waits for the owner, and by TCP's flow control the device for us.
const batchesPerFeed = 2

// NewFeed makes the feed of a device's session. Batches are sent to out; whoever takes one frees it.
func NewFeed(device netip.Addr, cfg FeedConfig, out chan<- *Batch) *Feed {
	if cfg.Now == nil {
		cfg.Now = func() int64 { return time.Now().UnixNano() }
	}
	f := &Feed{
		cfg: cfg, device: device, out: out, free: make(chan *Batch, batchesPerFeed),
		session: bmp.NewSession(bmp.Config{Cache: cfg.Cache, MaxPeers: cfg.MaxPeers}),
	}
	for range batchesPerFeed {
		f.free <- &Batch{device: device, session: cfg.Session, home: f.free}
	}
	return f
}

// Run reads messages until the stream ends and returns why: io.EOF when the device closed it between two messages or said Termination,
// or what EndReasonOf tells apart. The last batch tells the owner that the session is down, unless it is paused.
func (f *Feed) Run(r io.Reader) error {
	f.batch = <-f.free
	if f.cfg.Resume == nil {
		f.batch.ops = append(f.batch.ops, op{kind: opSessionUp})
		f.batch.counted.Sessions++
		f.reader = bmp.NewReader(r, f.cfg.MaxMessage, nil)
	} else {
		if err := f.session.RestoreState(f.cfg.Resume.State); err != nil {
			return f.end(err)
		}
		f.reader = bmp.NewReader(r, f.cfg.MaxMessage, f.cfg.Resume.Pending)
	}
	err := f.read(f.reader)
	if errors.Is(err, ErrPaused) {
		if !f.batch.empty() {
			f.send()
		}
		return err
	}
	return f.end(err)
}

// Paused tells what the next Feed of the session needs, after Run has returned ErrPaused.
func (f *Feed) Paused() *Paused {
	return &Paused{State: f.session.AppendState(nil), Pending: bytes.Clone(f.reader.Pending())}
}

// end tells the owner that the session is down.
func (f *Feed) end(err error) error {
	f.batch.ops = append(f.batch.ops, op{kind: opSessionDown})
	f.batch.counted.Ended[EndReasonOf(err)]++
	f.send()
	return err
}

func (f *Feed) observeFlush() {
	if f.cfg.Observer != nil {
		f.cfg.Observer.Flush()
	}
}

// read reads messages until the stream ends.
func (f *Feed) read(r *bmp.Reader) (err error) {
	for !f.readSome(r, &err) {
	}
	return err
}

// readSome does it, or until a message panics: then it reports false.
func (f *Feed) readSome(r *bmp.Reader, end *error) (ended bool) {
	defer func() {
		if p := recover(); p != nil {
			f.refuse(fmt.Errorf("%w: %v\n%s", errPanic, p, debug.Stack()))
		}
	}()
	for {
		if f.batch.full() || !f.batch.empty() && !r.Buffered() {
			f.flush()
		}
		msg, err := r.Next()
		if err != nil {
			*end = err
			return true
		}
		f.batch.taken++
		m, err := f.session.Decode(msg)
		if f.cfg.Observer != nil {
			f.cfg.Observer.Message(m, err)
		}
		if err != nil {
			f.refuse(err)
		}
		if t, ok := m.(*bmp.Termination); ok {
			*end = fmt.Errorf("%w, %s: %w", errTermination, t.ReasonText(), io.EOF)
			return true
		}
		f.add(m)
	}
}

func (f *Feed) refuse(err error) {
	f.batch.counted.Refused[faultOf(err)]++
	if f.cfg.Refused != nil {
		f.cfg.Refused(err)
	}
}

func (f *Feed) flush() {
	f.send()
	f.batch = <-f.free
	f.batch.reset()
}

// send gives the batch to the owner, with what the session counted since the last one.
func (f *Feed) send() {
	c := f.session.Counters()
	f.batch.counted.Decoded = c
	f.batch.counted.Decoded.Sub(&f.counted)
	f.counted = c
	f.out <- f.batch
	f.observeFlush()
}

// add turns a message into operations. Of one that was refused it takes what could be read: a Peer Down with a broken NOTIFICATION is a
// Peer Down all the same. Peers of unknown types are left out: their routes are of no table that a flow is joined with.
func (f *Feed) add(m bmp.Message) {
	if p, ok := m.(interface{ TypeKnown() bool }); ok && !p.TypeKnown() {
		return
	}
	switch m := m.(type) {
	case *bmp.RouteMonitoring:
		f.routes(m)
	case *bmp.PeerUp:
		f.batch.ops = append(f.batch.ops, op{kind: opPeerUp, peer: peerKey(&m.Peer), info: peerInfo(m), id: ownID(m)})
	case *bmp.PeerDown:
		f.batch.ops = append(f.batch.ops, op{
			kind: opPeerDown, peer: peerKey(&m.Peer), unmonitored: m.Reason == bmp.DownDeconfigured,
		})
	case *bmp.Statistics:
		f.batch.ops = append(f.batch.ops, op{kind: opStatistics, peer: peerKey(&m.Peer), stats: m})
	case *bmp.Initiation:
		if m.SysName != "" {
			f.batch.ops = append(f.batch.ops, op{kind: opInitiation, name: m.SysName})
		}
	}
}

// routes adds the routes of an UPDATE: withdrawals first, as RFC 4271 section 3.1 orders them for a prefix that is in both.
func (f *Feed) routes(m *bmp.RouteMonitoring) {
	b := f.batch
	o := op{view: rib.View(m.View()), peer: peerKey(&m.Peer), time: m.Time}
	if o.time == 0 {
		o.time = f.cfg.Now()
	}
	if len(m.Withdrawn) > 0 {
		o.kind = opWithdraw
		o.from, o.to = b.keep(m.Withdrawn)
		b.counted.Withdrawn += uint64(o.to - o.from)
		b.ops = append(b.ops, o)
	}
	for _, a := range m.Announced {
		b.counted.NotKept += uint64(len(a.Other))
		if len(a.NLRI) == 0 {
			continue
		}
		o.kind, o.attrs = opAnnounce, a.Attrs
		o.from, o.to = b.keep(a.NLRI)
		b.counted.Announced += uint64(o.to - o.from)
		b.ops = append(b.ops, o)
	}
	if m.EndOfRIB != 0 {
		o.kind, o.attrs, o.family = opEndOfRIB, nil, ribFamily(m.EndOfRIB)
		b.counted.EndOfRIB++
		b.ops = append(b.ops, o)
	}
}

// keep copies the routes of the families that a RIB holds into the batch.
func (b *Batch) keep(routes []bgp.NLRI) (from, to int) {
	from = len(b.nlri)
	for i := range routes {
		if !held(routes[i].Family) {
			b.counted.NotKept++
			continue
		}
		b.nlri = append(b.nlri, routes[i])
	}
	return from, len(b.nlri)
}

// held reports whether routes of a family answer flows: unicast, labelled unicast and VPN.
func held(f bgp.Family) bool {
	switch f.SAFI() {
	case bgp.SAFIUnicast, bgp.SAFILabeled, bgp.SAFIVPN:
		return true
	}
	return false
}

// peerKey gives the RIB's identity of a peer.
func peerKey(p *bmp.Peer) rib.PeerKey {
	k := p.Key()
	key := rib.PeerKey{Distinguisher: rib.RD(k.Distinguisher), Addr: k.Addr}
	if !key.Addr.IsValid() {
		key.Addr = netip.IPv4Unspecified() // as the RIB says it
	}
	switch k.Class {
	case bmp.PeerRD:
		key.Class = rib.ClassRD
	case bmp.PeerLocal:
		key.Class = rib.ClassLocal
	}
	return key
}

// ownID is the device's own BGP identifier. Instances in VRFs may have others.
func ownID(m *bmp.PeerUp) netip.Addr {
	if m.Type != bmp.PeerGlobal || m.Sent.ID.IsUnspecified() {
		return netip.Addr{}
	}
	return m.Sent.ID
}

// peerInfo takes from a Peer Up what the decision process needs, and the identity of the BGP session.
func peerInfo(m *bmp.PeerUp) *rib.PeerInfo {
	return &rib.PeerInfo{
		AS: m.AS, LocalAS: m.Sent.AS, BGPID: m.BGPID, Name: m.TableName, Session: m.SessionID(),
		Families: families(m), Filtered: m.Filtered(),
	}
}

// maxFamilies bounds the families of an OPEN, which are kept with the peer. IANA knows some 40.
const maxFamilies = 128

// families lists what both sides of a BGP session have agreed on. A side without the multiprotocol capability means IPv4 unicast.
func families(m *bmp.PeerUp) []rib.Family {
	sent, received := m.Sent.Families, m.Received.Families
	sent, received = sent[:min(len(sent), maxFamilies)], received[:min(len(received), maxFamilies)]
	if len(sent) == 0 {
		sent = []bgp.Family{bgp.IPv4Unicast}
	}
	if len(received) == 0 {
		received = []bgp.Family{bgp.IPv4Unicast}
	}
	var out []rib.Family
	for _, f := range sent {
		if slices.Contains(received, f) && !slices.Contains(out, ribFamily(f)) {
			out = append(out, ribFamily(f))
		}
	}
	return out
}
