package rib

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// world is a RIB and its twin in a small universe where operations meet each other often. Each operation is read from
// octets, so that a seeded generator and the fuzzer can drive it.
type world struct {
	asks  []Ask
	t     testing.TB
	in    *Intern
	r     *RIB
	w     *twin
	data  []byte
	attrs map[AttrID]*Attrs // as decoded, by the id that the table gave
	from  int64             // since the RIB was last cleared
	n     int               // operations
	asOf  int               // answers of a time
	moved int               // those of them that differ from the one of now
}

var (
	worldPeers = []PeerKey{
		{ClassGlobal, 0, netip.MustParseAddr("192.0.2.1")},
		{ClassGlobal, 0, netip.MustParseAddr("192.0.2.2")},
		{ClassRD, 7, netip.MustParseAddr("192.0.2.2")},
		{ClassGlobal, 0, netip.MustParseAddr("0.0.0.0")},
		{ClassLocal, 1, netip.MustParseAddr("2001:db8::1")},
	}
	worldVRFs     = []RD{0, 7, 1<<48 | 9}
	worldFamilies = []Family{IPv4Unicast, IPv4Labelled, IPv6Unicast}
	worldPrefixes = prefixes("0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/9", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "10.1.2.128/25",
		"192.0.2.0/24", "::/0", "2001:db8::/32", "2001:db8:1::/48", "2001:db8:1::1/128")
	worldAddrs = addrs("10.1.2.3", "10.1.2.200", "10.1.9.9", "10.200.0.1", "192.0.2.9", "203.0.113.1", "2001:db8:1::1", "2001:db8:1::2", "2001:db8::1", "2001::1")
	worldHops  = addrs("198.51.100.1", "198.51.100.2", "::ffff:198.51.100.1", "2001:db8::53", "0.0.45.194", "::")
)

func prefixes(s ...string) (out []netip.Prefix) {
	for _, x := range s {
		out = append(out, netip.MustParsePrefix(x))
	}
	return out
}

func addrs(s ...string) (out []netip.Addr) {
	for _, x := range s {
		out = append(out, netip.MustParseAddr(x))
	}
	return out
}

func newWorld(t testing.TB, data []byte, o Options) *world {
	in := NewIntern()
	return &world{t: t, in: in, r: New(in, o), w: newTwin(o), data: data, attrs: map[AttrID]*Attrs{}}
}

// pick reads a number below n; when the octets are used up it is 0.
func (x *world) pick(n int) int {
	if len(x.data) == 0 {
		return 0
	}
	b := x.data[0]
	x.data = x.data[1:]
	return int(b) % n
}

// attr acquires one of some 250 sets, which differ by single steps of the decision process.
func (x *world) attr() (AttrID, *Attrs) {
	b := byte(x.pick(256))
	id := x.in.Acquire([]byte{b}, func() Attrs {
		a := Attrs{NextHop: worldHops[b&3], ASPath: []uint32{64496 + uint32(b>>2&1), 65000}, PathLength: 2}
		switch b >> 3 & 7 {
		case 1:
			a.HasLocalPref, a.LocalPref = true, 100+uint32(b>>6)
		case 2:
			a.PathLength = uint16(b >> 6)
		case 3:
			a.HasOrigin, a.Origin = true, b>>6%3
		case 4, 5:
			a.HasMED, a.MED = true, uint32(b>>6)
		case 6:
			a.OriginatorID = netip.AddrFrom4([4]byte{1, 1, 1, b >> 6})
		case 7:
			a.ClusterLength = b >> 6
		}
		return a
	})
	if x.attrs[id] != x.in.Attrs(id) {
		x.attrs[id] = x.in.Attrs(id)
	}
	return id, x.attrs[id]
}

func (x *world) key() twinKey {
	k := twinKey{
		src: twinSource{worldPeers[x.pick(len(worldPeers))], View(x.pick(int(numViews))), worldFamilies[x.pick(len(worldFamilies))]},
		vrf: worldVRFs[x.pick(len(worldVRFs))], prefix: worldPrefixes[x.pick(len(worldPrefixes))],
	}
	if p := x.pick(4); p > 0 {
		k.has, k.path = true, uint32(p-1)
	}
	return k
}

func (x *world) info() PeerInfo {
	b := x.pick(256)
	return PeerInfo{
		AS: 64496 + uint32(b&1), LocalAS: 64496, Session: uint64(b >> 1 & 3),
		BGPID: netip.AddrFrom4([4]byte{1, 1, 1, byte(b >> 3 & 3)}),
	}
}

// step does one operation on both.
func (x *world) step() {
	switch op := x.pick(64); {
	case op < 36:
		k := x.key()
		id, a := x.attr()
		t := x.w.now + int64(x.pick(3))*int64(time.Millisecond)
		x.w.met(k.src, x.state(k.src))
		s := x.r.Source(k.src.peer, k.src.view, k.src.family)
		got := x.r.Announce(s, k.vrf, k.prefix, k.path, k.has, id, t)
		if want := x.w.announce(k, a, t, x.state(k.src) == Syncing); got != want {
			x.t.Fatalf("announce %v: got %v, want %v", k, got, want)
		}
	case op < 48:
		k := x.key()
		x.w.met(k.src, x.state(k.src))
		s := x.r.Source(k.src.peer, k.src.view, k.src.family)
		at := x.w.now + int64(x.pick(3))*int64(time.Millisecond)
		got := x.r.Withdraw(s, k.vrf, k.prefix, k.path, k.has, at)
		if want := x.w.withdraw(k, at); got != want {
			x.t.Fatalf("withdraw %v: got %v, want %v", k, got, want)
		}
	case op < 51:
		k, i := x.key().src.peer, x.info()
		known := x.sources()
		x.r.PeerUp(k, i, x.w.now)
		x.w.peerUp(k, i, known)
	case op < 53:
		k := x.key().src.peer
		x.r.PeerDown(k, x.w.now)
		x.w.peerDown(k)
	case op < 56:
		s := x.key().src
		x.r.EndOfRIB(s.peer, s.view, s.family, x.w.now)
		x.w.endOfRIB(s)
	case op < 57:
		known := x.sources()
		x.r.SessionLost(x.w.now)
		x.w.sessionLost(known)
	case op < 63:
		x.w.elapse(time.Second * time.Duration(1+x.pick(100)))
		x.r.Tick(x.w.now, x.pick(16))
		x.w.tick()
		x.w.forget(x.sources())
	case x.pick(8) == 0:
		x.r.Clear()
		x.w.clear()
		x.from = x.w.now
	}
}

// state tells the state of a source, and sources the states of all: the twin does not model the states that end by silence.
func (x *world) state(s twinSource) State {
	st, _ := x.r.SourceStatus(s.peer, s.view, s.family)
	return st.State
}

func (x *world) sources() map[twinSource]State {
	m := make(map[twinSource]State)
	for s := range x.r.Sources() {
		m[twinSource{s.Peer, s.View, s.Family}] = s.State
	}
	return m
}

// lookupsAt compares the answers of the past.
func (x *world) lookupsAt() {
	rnd := rand.New(rand.NewPCG(uint64(len(x.data)), 1))
	for range 60 {
		vrf, addr := worldVRFs[rnd.IntN(len(worldVRFs))], worldAddrs[rnd.IntN(len(worldAddrs))]
		nh := append(worldHops, netip.Addr{})[rnd.IntN(len(worldHops)+1)]
		at := x.w.now - rnd.Int64N(int64(4*time.Minute))
		if len(x.w.times) > 0 && rnd.IntN(2) == 0 { // about the time of a change
			at = x.w.times[rnd.IntN(len(x.w.times))] + int64(rnd.IntN(3)-1)*1000
		}
		x.lookupAt(vrf, addr, nh, at)
	}
}

func (x *world) lookupAt(vrf RD, addr, nh netip.Addr, at int64) {
	var m Match
	got := x.r.LookupAt(vrf, addr, nh, at, &m)
	if !m.AsOf {
		if at >= x.r.history.lost && x.r.stats.HistoryEvicted == 0 {
			x.t.Fatalf("lookup %v %v at %d: not as of then, lost %d", vrf, addr, at, x.r.history.lost)
		}
		var now Match
		if res := x.r.Lookup(vrf, addr, nh, &now); res != got || res == Found && now != m {
			x.t.Fatalf("lookup %v %v at %d: got %v %+v, now %v %+v", vrf, addr, at, got, m, res, now)
		}
		return
	}
	x.asOf++
	var now Match
	if res := x.r.Lookup(vrf, addr, nh, &now); res != got || got == Found && (now.Attrs != m.Attrs || now.Prefix != m.Prefix) {
		x.moved++
	}
	want, by, res := x.w.lookupAt(vrf, addr, nh, at)
	if got != res {
		x.t.Fatalf("lookup %v %v at %d (now %d): got %v %+v, want %v %+v", vrf, addr, at, x.w.now, got, m, res, want)
	}
	if got != Found {
		return
	}
	k := want.key
	w := Match{Prefix: k.prefix, Attrs: want.attrs, View: k.src.view, PathID: k.path, HasPathID: k.has, ByNextHop: by, Time: want.time, AsOf: true}
	if k.src.view != LocRIB {
		w.Peer = k.src.peer.Addr
	}
	w.Attr, w.State = m.Attr, m.State
	if m != w {
		x.t.Fatalf("lookup %v %v next hop %v at %d (now %d):\n got %+v\n     %+v\nwant %+v\n     %+v\n     %+v",
			vrf, addr, nh, at, x.w.now, m, *m.Attrs, w, *w.Attrs, want)
	}
}

// lookups compares the answers to all addresses and next hops, which the RIB has been told of.
func (x *world) lookups() {
	x.asks = x.asks[:0]
	for _, vrf := range append(worldVRFs, worldVRFs[0]) {
		for _, addr := range worldAddrs {
			x.asks = append(x.asks, Ask{VRF: vrf, Addr: addr})
		}
	}
	x.r.Ahead(x.asks)
	for _, vrf := range worldVRFs {
		for _, addr := range worldAddrs {
			for _, nh := range append(worldHops, netip.Addr{}) {
				x.lookup(vrf, addr, nh)
			}
		}
	}
}

func (x *world) lookup(vrf RD, addr, nh netip.Addr) {
	var m Match
	got := x.r.Lookup(vrf, addr, nh, &m)
	want, by, res := x.w.lookup(vrf, addr, nh)
	if got != res {
		x.t.Fatalf("lookup %v %v: got %v, want %v", vrf, addr, got, res)
	}
	if got != Found {
		return
	}
	k := want.key
	w := Match{Prefix: k.prefix, Attrs: want.attrs, View: k.src.view, PathID: k.path, HasPathID: k.has, ByNextHop: by, Time: want.time}
	if k.src.view != LocRIB {
		w.Peer = k.src.peer.Addr
	}
	w.Attr, w.State = m.Attr, m.State
	if m != w {
		x.t.Fatalf("lookup %v %v next hop %v:\n got %+v\n     %+v\nwant %+v\n     %+v\n     %+v", vrf, addr, nh, m, *m.Attrs, w, *w.Attrs, k.src)
	}
	if (m.State == Stale) != (want.since >= 0) {
		x.t.Fatalf("lookup %v %v: got state %v, want stale since %d", vrf, addr, m.State, want.since)
	}
}

// counts compares the counts of every source and checks that the RIB's parts agree with each other.
func (x *world) counts() {
	total := 0
	for s := range x.r.Sources() {
		live, stale := x.w.count(twinSource{s.Peer, s.View, s.Family})
		if s.Routes != live || s.Stale != stale {
			x.t.Fatalf("source %+v: want %d live, %d stale", s, live, stale)
		}
		total += live
	}
	if total != len(x.w.all) || x.r.Routes() != total {
		x.t.Fatalf("got %d routes, %d in sources, want %d", x.r.Routes(), total, len(x.w.all))
	}
	if err := x.r.check(); err != nil {
		x.t.Fatal(err)
	}
}

// check verifies what must always hold between the parts of a RIB.
func (r *RIB) check() error {
	live, dead := 0, 0
	per := make(map[uint32]int)
	for _, t := range r.tables {
		tl, td := 0, 0
		for c := range t.trie.all {
			head := c.head()
			if c.attr() != t.arena.at(head).attr {
				return fmt.Errorf("chain with the attributes of another entry")
			}
			if t.ordered() && r.bestOf(t, head) != head {
				return fmt.Errorf("chain out of order")
			}
			for i := head; i != none; i = t.arena.at(i).next {
				f := t.arena.at(i).feed()
				per[f]++
				if r.feeds[f].table != t {
					return fmt.Errorf("feed %d of another table", f)
				}
				if r.feeds[f].dead {
					td++
				} else {
					tl++
				}
			}
		}
		if tl != t.live || td != t.dead || tl == 0 || t.arena.used != tl+td {
			return fmt.Errorf("table: live %d counted %d, dead %d counted %d, used %d", t.live, tl, t.dead, td, t.arena.used)
		}
		if !t.ordered() && !t.dirty {
			return fmt.Errorf("table with %d dead entries is not dirty", td)
		}
		live, dead = live+tl, dead+td
	}
	past := make(map[uint32]int)
	if err := r.checkHistory(per, past); err != nil {
		return err
	}
	if live != r.live || dead != r.dead {
		return fmt.Errorf("live %d counted %d, dead %d counted %d", r.live, live, r.dead, dead)
	}
	for i := range r.feeds {
		if f := &r.feeds[i]; f.table != nil && f.n == 0 && !f.limbo {
			return fmt.Errorf("feed %d is empty", i)
		}
		if r.feeds[i].n != per[uint32(i)] {
			return fmt.Errorf("feed %d: %d entries, counted %d", i, r.feeds[i].n, per[uint32(i)])
		}
		if r.feeds[i].past != past[uint32(i)] {
			return fmt.Errorf("feed %d: %d versions, counted %d", i, r.feeds[i].past, past[uint32(i)])
		}
	}
	return r.checkStates()
}

// checkHistory verifies the versions and ghosts and counts the entries and versions of feeds.
func (r *RIB) checkHistory(per, past map[uint32]int) error {
	h := &r.history
	bytes, haunting := 0, 0
	for _, g := range h.ghosts {
		bytes += g.ghostBytes
		haunting += g.dead
		n := 0
		for c := range g.trie.all {
			for i := c.head(); i != none; i = g.arena.at(i).next {
				per[g.arena.at(i).feed()]++
				n++
			}
		}
		if n != g.dead || g.live != 0 {
			return fmt.Errorf("ghost of %d dead entries, counted %d", g.dead, n)
		}
	}
	if haunting != r.haunting {
		return fmt.Errorf("%d dead entries in ghosts, counted %d", r.haunting, haunting)
	}
	loose := 0
	for i := range h.past {
		p := &h.past[i]
		bytes += p.queue.n * (versionBytes + p.width)
		if p.used != p.queue.n {
			return fmt.Errorf("%d versions, %d in the queue", p.used, p.queue.n)
		}
		for j := p.next(0); j != none; j = p.next(j + 1) {
			past[p.at(j).feed()]++
			if p.at(j).next == none {
				loose++
			}
		}
	}
	if bytes != h.bytes || bytes > h.limit {
		return fmt.Errorf("history of %d octets, counted %d, limit %d", h.bytes, bytes, h.limit)
	}
	tables := slices.Concat(r.tables, h.ghosts)
	rings := 0
	for _, t := range tables {
		p := &h.past[version(t.six)]
		for c := range t.past.all {
			for i := p.at(c.head()).next; ; i = p.at(i).next {
				rings++
				if p.key(i) != p.key(c.head()) {
					return fmt.Errorf("ring of several prefixes")
				}
				if i == c.head() {
					break
				}
			}
		}
	}
	if all := h.past[0].used + h.past[1].used; rings+loose > all {
		return fmt.Errorf("%d versions in rings, %d loose, of %d", rings, loose, all)
	}
	return nil
}

func (r *RIB) checkStates() error {
	syncing, dumping, bare := 0, 0, 0
	for _, p := range r.peers {
		if p.bare {
			bare++
		}
		for _, s := range p.sources {
			if s.state == Syncing {
				syncing++
			}
			if s.begun {
				dumping++
			}
			if s.live > 0 && s.state == Absent {
				return fmt.Errorf("absent source with %d routes", s.live)
			}
		}
	}
	if syncing != r.syncing || dumping != r.dumping || bare != r.bare {
		return fmt.Errorf("syncing %d counted %d, dumping %d counted %d, bare %d counted %d",
			r.syncing, syncing, r.dumping, dumping, r.bare, bare)
	}
	return nil
}

// finish clears the RIB and checks that nothing stays in the attribute table.
func (x *world) finish() {
	x.r.Clear()
	for x.r.Tick(x.w.now, 7) {
	}
	if n := x.in.Len(); n != 0 {
		x.t.Fatalf("%d attribute sets are left", n)
	}
	if tot := x.r.Totals(); tot.Dead != 0 || tot.Routes != 0 {
		x.t.Fatalf("left over: %+v", tot)
	}
}

// runWorld compares after every so many operations, and hands over after so many, if at all.
func runWorld(t testing.TB, data []byte, o Options, every, handOver int) *world {
	defer func(from, until int) { jumpFrom, jumpUntil = from, until }(jumpFrom, jumpUntil)
	jumpFrom, jumpUntil = 5, 3
	x := newWorld(t, data, o)
	for n := 0; len(x.data) > 0; n++ {
		x.step()
		x.n++
		if n%every == 0 {
			x.counts()
			x.lookups()
			x.lookupsAt()
		}
		if handOver > 0 && n%handOver == handOver-1 {
			x.handOver()
		}
	}
	x.counts()
	x.lookups()
	x.lookupsAt()
	x.finish()
	return x
}

// TestTwin compares after every few operations, TestTwinMillion after more of them and a million in all.
func TestTwin(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { twinRun(t, seed, 16_000, 25, 0) })
	}
}

func TestTwinMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("a million operations take half a minute")
	}
	ops := 0
	for seed := uint64(100); ops < 1_000_000; seed++ {
		ops += twinRun(t, seed, 1_000_000, 700, 0)
	}
	t.Logf("%d operations", ops)
}

func twinRun(t *testing.T, seed uint64, octets, every, handOver int) (ops int) {
	o := Options{StaleAfter: time.Minute}
	switch seed % 4 {
	case 1:
		o.HistoryBytes = 4000
	case 2:
		o.History = 90 * time.Second
	case 3:
		o.MaxRoutes = 50
	}
	rnd := rand.NewChaCha8([32]byte{byte(seed)})
	data := make([]byte, octets)
	rnd.Read(data)
	x := runWorld(t, data, o, every, handOver)
	if x.asOf < 500 || x.moved < x.asOf/50 {
		t.Errorf("%d answers as of a time, %d of them differ from those of now", x.asOf, x.moved)
	}
	if evicts := x.r.stats.HistoryEvicted > 0; evicts != (seed%4 == 1) {
		t.Errorf("%d versions were evicted", x.r.stats.HistoryEvicted)
	}
	return x.n
}

func FuzzOps(f *testing.F) {
	rnd := rand.NewChaCha8([32]byte{1})
	for _, n := range []int{50, 400, 1500} {
		data := make([]byte, n)
		rnd.Read(data)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4000 {
			return
		}
		runWorld(t, data, Options{StaleAfter: time.Minute, MaxRoutes: 60}, 40, 0)
	})
}
