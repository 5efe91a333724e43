package rib

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"
)

// pastRoute is a route that is no more, with all that LookupAt asks of it.
type pastRoute struct {
	Table      tableID
	Peer       PeerKey
	Info       PeerInfo
	Family     Family
	State      State
	Prefix     netip.Prefix
	PathID     uint32
	HasPathID  bool
	Attrs      Attrs
	Time, From int64
	To         int64
	Stale      bool
	StaleSince int64
	Torn       bool
	Loose      bool
}

// pastTable is a table with what it has of the past.
type pastTable struct {
	ID                  tableID
	Born, Changed, Died int64
	Octets              int
	Dead                []pastRoute
	Rings               [][]int // places in the queue, the oldest first
	Jump                bool
	JumpStamp           uint32
	Stamps              map[string]uint32
}

type pastState struct {
	Horizon, Lost, Base int64
	Limit, Bytes        int
	Evicted             uint64
	Queues              [2][]pastRoute
	Live, Ghosts        []pastTable
	Changed             map[RD][2]int64
}

func pastOf(r *RIB) pastState {
	h := &r.history
	st := pastState{
		Horizon: h.horizon, Lost: h.lost, Base: h.base, Limit: h.limit, Bytes: h.bytes, Evicted: r.stats.HistoryEvicted, Changed: map[RD][2]int64{},
	}
	place := make(map[[2]uint32]int)
	for six := range h.past {
		p := &h.past[six]
		for j := range p.queue.n {
			i := p.queue.get(j)
			place[[2]uint32{uint32(six), i}] = j
			e, x := p.at(i), p.end(i)
			rt := pastRouteOf(r, e, p.prefix(i))
			rt.To, rt.Torn, rt.Loose = x.to, x.torn, e.next == none
			st.Queues[six] = append(st.Queues[six], rt)
		}
	}
	for _, t := range r.tables {
		st.Live = append(st.Live, pastTableOf(r, t, place, false))
	}
	for _, t := range h.ghosts {
		st.Ghosts = append(st.Ghosts, pastTableOf(r, t, place, true))
	}
	for rd, v := range r.vrfs {
		st.Changed[rd] = v.changed
	}
	return st
}

func pastRouteOf(r *RIB, e *entry, p netip.Prefix) pastRoute {
	f := &r.feeds[e.feed()]
	s := f.src
	return pastRoute{
		Table: tableID{f.table.vrf, f.table.view, f.table.six}, Peer: s.peer.key, Info: s.peer.info, Family: s.family, State: s.state,
		Prefix: p, PathID: e.pathID, HasPathID: e.hasPathID(), Attrs: *r.in.Attrs(e.attr), Time: e.time(), From: r.since(e),
		Stale: f.stale, StaleSince: f.since,
	}
}

func pastTableOf(r *RIB, t *table, place map[[2]uint32]int, ghost bool) pastTable {
	x := pastTable{ID: tableID{t.vrf, t.view, t.six}, Born: t.born, Changed: t.changed, Octets: t.ghostBytes}
	useless := false
	for i := t.arena.next(0); i != none; i = t.arena.next(i + 1) {
		e := t.arena.at(i)
		f := &r.feeds[e.feed()]
		switch {
		case f.dead && !f.kept && !ghost:
			useless = true
		case f.dead:
			rt := pastRouteOf(r, e, t.arena.prefix(i))
			rt.To = f.died
			x.Dead = append(x.Dead, rt)
		}
	}
	six := version(t.six)
	p := &r.history.past[six]
	for c := range t.past.all {
		var ring []int
		for i := p.at(c.head()).next; ; i = p.at(i).next {
			ring = append(ring, place[[2]uint32{uint32(six), i}])
			if i == c.head() {
				break
			}
		}
		x.Rings = append(x.Rings, ring)
	}
	slices.SortFunc(x.Rings, func(a, b []int) int { return cmp.Compare(a[0], b[0]) })
	if ghost {
		x.Died = t.died
		return x
	}
	if !useless { // else the clean-up has to go over the nodes yet
		x.Jump, x.JumpStamp, x.Stamps = t.trie.jump.on(), t.trie.jump.stamp, make(map[string]uint32)
		for i := t.trie.next(0); i != none; i = t.trie.next(i + 1) {
			n := t.trie.node(i)
			k := t.trie.keyOf(n)
			var at []byte
			for d := range n.depth {
				at = append(at, k.octet(d))
			}
			x.Stamps[string(at)] = n.stamp
		}
	}
	return x
}

// comparePasts asks both RIBs the same of all times.
func comparePasts(t *testing.T, rnd *rand.Rand, got, want *RIB) (asked, then int) {
	t.Helper()
	for _, vrf := range worldVRFs {
		for _, addr := range worldAddrs {
			for range 12 {
				nh := append(worldHops, netip.Addr{})[rnd.IntN(len(worldHops)+1)]
				at := want.now - rnd.Int64N(int64(12*time.Minute))
				if q := &want.history.past[rnd.IntN(2)]; q.queue.n > 0 && rnd.IntN(2) == 0 { // about the time of a change
					at = q.end(q.queue.get(rnd.IntN(q.queue.n))).to + int64(rnd.IntN(3)-1)*1000
				}
				var a, b Match
				ra, rb := got.LookupAt(vrf, addr, nh, at, &a), want.LookupAt(vrf, addr, nh, at, &b)
				asked++
				if b.AsOf {
					then++
				}
				if rb == Found {
					if !reflect.DeepEqual(a.Attrs, b.Attrs) {
						t.Fatalf("%s in %s at %d: got attributes %+v, want %+v", addr, vrf, at, a.Attrs, b.Attrs)
					}
					a.Attrs, a.Attr = b.Attrs, b.Attr
				}
				if ra != rb || a != b {
					t.Fatalf("%s in %s at %d (now %d): got %v %+v, want %v %+v", addr, vrf, at, want.now, ra, a, rb, b)
				}
			}
		}
	}
	return asked, then
}

// TestLiveRestoresHistory takes up live images of random RIBs at many times of their lives and compares all that they know of the past,
// then what they answer.
func TestLiveRestoresHistory(t *testing.T) {
	defer func(from, until int) { jumpFrom, jumpUntil = from, until }(jumpFrom, jumpUntil)
	jumpFrom, jumpUntil = 5, 3
	asked, then, versions, ghosts, dead, gone := 0, 0, 0, 0, 0, 0
	for seed := range uint64(8) {
		o := Options{StaleAfter: time.Minute}
		switch seed % 4 {
		case 1:
			o.HistoryBytes = 4000
		case 2:
			o.History = 90 * time.Second
		case 3:
			o.StaleAfter = 20 * time.Second // peers are forgotten before their routes of then
		}
		data := make([]byte, 1<<15)
		rand.NewChaCha8([32]byte{byte(seed), 9}).Read(data)
		rnd := rand.New(rand.NewPCG(seed, 8))
		x := newWorld(t, data, o)
		for n := 0; len(x.data) > 0; n++ {
			x.step()
			if n%97 != 0 {
				continue
			}
			r := x.r
			back := New(NewIntern(), r.opt)
			if _, err := back.RestoreLive(bytes.NewReader(liveOf(r, []int{1, 7, 1 << 20}[n%3])), r.now); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if err := back.check(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			got, want := pastOf(back), pastOf(r)
			for i := range want.Live { // useless dead routes are left out, and the stamps of their nodes
				if want.Live[i].Stamps == nil && i < len(got.Live) {
					got.Live[i].Jump, got.Live[i].JumpStamp, got.Live[i].Stamps = false, 0, nil
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d: the past\n%+v, want\n%+v", seed, got, want)
			}
			a, b := comparePasts(t, rnd, back, r)
			asked, then = asked+a, then+b
			versions += len(want.Queues[0]) + len(want.Queues[1])
			ghosts += len(want.Ghosts)
			for _, l := range want.Live {
				dead += len(l.Dead)
			}
			for i := range r.feeds {
				if f := &r.feeds[i]; f.table != nil && r.sources[f.src.id] != f.src {
					gone++
				}
			}
			back.Clear()
			for back.Tick(back.now, 1<<20) {
			}
			if n := back.in.Len(); n != 0 {
				t.Fatalf("seed %d: %d sets of attributes stay", seed, n)
			}
		}
	}
	t.Logf("%d questions, %d answered as of then; %d versions, %d ghosts, %d dead routes, %d feeds of forgotten sources", asked, then, versions, ghosts, dead, gone)
	for what, n := range map[string]int{"answers of then": then, "versions": versions, "ghosts": ghosts, "dead routes": dead, "feeds of forgotten sources": gone} {
		if n < 50 {
			t.Errorf("only %d %s were seen", n, what)
		}
	}
}

// handOver has another RIB go on, as another process would.
func (x *world) handOver() {
	in := NewIntern()
	back := New(in, x.r.opt)
	if _, err := back.RestoreLive(bytes.NewReader(liveOf(x.r, 1<<20)), x.w.now); err != nil {
		x.t.Fatal(err)
	}
	moved := make(map[*Attrs]*Attrs)
	for i := x.in.next(0); i != none; i = x.in.next(i + 1) {
		s := x.in.set(AttrID(i + 1))
		if id := in.Find([]byte(s.key)); id != 0 {
			moved[s.attrs] = in.Attrs(id)
		}
	}
	for _, r := range x.w.all {
		r.attrs = cmp.Or(moved[r.attrs], r.attrs)
	}
	for _, r := range x.w.ended {
		r.attrs = cmp.Or(moved[r.attrs], r.attrs)
	}
	x.in, x.r, x.attrs = in, back, map[AttrID]*Attrs{}
}

// TestTwinHandedOver is TestTwin with RIBs that go on in another one again and again.
func TestTwinHandedOver(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { twinRun(t, seed, 16_000, 25, 60) })
	}
}

// flapping is a RIB with a prefix that changed more often than its history is long, others that did not, and a table that went.
func flapping(t *testing.T, o Options) *clocked {
	c := newClocked(t, o)
	c.set("10.2.0.0/16", 2, 1001)
	c.set("10.2.0.0/16", 3, 1002)
	c.set("2001:db8::/32", 4, 1003)
	c.unset("2001:db8::/32", 1004)
	for i := range int64(maxVersions + 30) {
		c.set("10.1.0.0/16", uint32(100+i%2), 1010+i)
	}
	return c
}

func TestLiveHistoryWithinTheLimitsThere(t *testing.T) {
	const last = 1009 + maxVersions + 30
	for _, c := range []struct {
		name        string
		there, here Options
		versions    int
		evicted     uint64
		want        map[int64]uint32 // AS by time; 0: not as of then
	}{
		{"the same", Options{}, Options{}, maxVersions + 31, 29, map[int64]uint32{last: 101, last - 1: 100, 1045: 101, 1020: 0}},
		{
			"less memory",
			Options{},
			Options{HistoryBytes: 100 * (versionBytes + 4)},
			100, 29 + maxVersions - 69,
			map[int64]uint32{last: 101, last - 1: 100, last - 90: 101, last - 150: 0},
		},
		{"no history here", Options{}, Options{History: -1}, 0, 0, map[int64]uint32{last: 0, last - 1: 0}},
		{"no history there", Options{History: -1}, Options{}, 0, 0, map[int64]uint32{last + 1: 101, last - 1: 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := flapping(t, c.there)
			back := New(NewIntern(), c.here)
			now := (last + 1) * int64(time.Second)
			if _, err := back.RestoreLive(bytes.NewReader(liveOf(x.r, 50)), now); err != nil {
				t.Fatal(err)
			}
			if err := back.check(); err != nil {
				t.Error(err)
			}
			if got, want := pastOf(back), pastOf(x.r); c.here == c.there && !reflect.DeepEqual(got, want) {
				t.Errorf("the past\n%+v, want\n%+v", got, want)
			}
			if n, e := back.Totals().Versions, back.stats.HistoryEvicted; n != c.versions || e != c.evicted {
				t.Errorf("%d versions, %d evicted; want %d, %d", n, e, c.versions, c.evicted)
			}
			x.r, x.in = back, back.in
			for at, as := range c.want {
				asOf := as != 0
				if !asOf {
					as = 101
				}
				x.want("10.1.2.3", at, as, asOf)
			}
			// What is kept goes in its order and when its time is over.
			for more := true; more; {
				more = back.Tick(now+int64(back.opt.History)+int64(time.Hour), 10)
			}
			if n, b := back.Totals().Versions, back.history.bytes; n != 0 || b != 0 {
				t.Errorf("%d versions and %d octets stay", n, b)
			}
		})
	}
}

// TestLiveHistoryWithoutRoutes hands over a RIB whose peers are forgotten: that it knew something once is all it still knows.
func TestLiveHistoryWithoutRoutes(t *testing.T) {
	c := newClocked(t, Options{StaleAfter: time.Minute})
	if New(c.in, Options{}).Blank() == false || c.r.Blank() {
		t.Error("blank is not told from used")
	}
	c.set("10.1.0.0/16", 16, 1003)
	c.r.PeerDown(c.key, 1010*int64(time.Second))
	for c.r.Tick(1200*int64(time.Second), 100) {
	}
	if c.r.HasPeers() || c.r.Blank() {
		t.Fatalf("peers %v, blank %v", c.r.HasPeers(), c.r.Blank())
	}
	back := New(NewIntern(), Options{})
	if n, err := back.RestoreLive(bytes.NewReader(liveOf(c.r, 50)), c.r.now); err != nil || n != 0 {
		t.Fatal(n, err)
	}
	c.r = back
	c.want("10.1.2.3", 1009, 16, true)
	c.want("10.1.2.3", 1011, 0, true)
}
