package rib

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// imageOf writes the whole image of a RIB, so many routes a slice.
func imageOf(r *RIB, budget int) []byte {
	w := r.Image()
	var b []byte
	for more := true; more; {
		b, more = w.Append(b, budget)
	}
	return b
}

// imageRoute is what an image keeps of a route.
type imageRoute struct {
	VRF       RD
	View      View
	Peer      PeerKey
	Family    Family
	Prefix    netip.Prefix
	PathID    uint32
	HasPathID bool
	Attrs     Attrs
	Time      int64
}

func routesOf(r *RIB) []imageRoute {
	var all []imageRoute
	var c Cursor
	r.Walk(&c, 1<<30, func(rt Route) {
		all = append(all, imageRoute{rt.VRF, rt.View, rt.Peer, rt.Family, rt.Prefix, rt.PathID, rt.HasPathID, *rt.Attrs, rt.Time})
	})
	slices.SortFunc(all, func(a, b imageRoute) int { return strings.Compare(describe(a), describe(b)) })
	return all
}

func describe(r imageRoute) string {
	return r.VRF.String() + " " + r.View.String() + " " + r.Peer.Addr.String() + " " + r.Peer.Distinguisher.String() + " " +
		string(rune('a'+r.Family.SAFI)) + " " + r.Prefix.String() + " " + string(rune('0'+r.PathID))
}

// randomRIB is a RIB after some thousand operations of all kinds.
func randomRIB(t testing.TB, seed uint64) *RIB {
	rnd := rand.New(rand.NewPCG(seed, 1))
	data := make([]byte, 1<<15)
	for i := range data {
		data[i] = byte(rnd.Uint32())
	}
	x := newWorld(t, data, Options{})
	for len(x.data) > 0 {
		x.step()
	}
	return x.r
}

func TestImageRestoresEveryRoute(t *testing.T) {
	for seed := range uint64(20) {
		r := randomRIB(t, seed)
		want := routesOf(r)
		for _, budget := range []int{1, 7, 1 << 20} {
			back := New(NewIntern(), Options{})
			n, err := back.Restore(bytes.NewReader(imageOf(r, budget)), r.now)
			if err != nil || n != len(want) || back.Routes() != n {
				t.Fatalf("seed %d: %d routes, error %v; want %d", seed, n, err, len(want))
			}
			if got := routesOf(back); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, %d routes a slice: other routes came back", seed, budget)
			}
			for s := range back.Sources() {
				if s.Routes != s.Stale || s.Routes > 0 && s.State != Stale {
					t.Errorf("seed %d: source %+v is not stale", seed, s)
				}
			}
			for p := range back.Peers() {
				if was := r.peers[p.Key]; was != nil && (p.Info.AS != was.info.AS || p.Info.BGPID != was.info.BGPID) || p.Up {
					t.Errorf("seed %d: peer %+v", seed, p)
				}
			}
		}
	}
}

// A restored RIB answers as the one before, marked as stale, and a new dump takes its place.
func TestRestoredRoutesAnswerUntilTheDump(t *testing.T) {
	r := randomRIB(t, 3)
	back := New(NewIntern(), Options{})
	if _, err := back.Restore(bytes.NewReader(imageOf(r, 100)), r.now); err != nil {
		t.Fatal(err)
	}
	answers := 0
	for _, vrf := range worldVRFs {
		for _, a := range worldAddrs {
			var was, is Match
			found, again := r.Lookup(vrf, a, netip.Addr{}, &was), back.Lookup(vrf, a, netip.Addr{}, &is)
			if found != again {
				t.Errorf("%v %v: %v, was %v", vrf, a, again, found)
				continue
			}
			if found != Found {
				continue
			}
			answers++
			if is.Prefix != was.Prefix || is.View != was.View || is.Peer != was.Peer || !reflect.DeepEqual(is.Attrs, was.Attrs) || is.State != Stale {
				t.Errorf("%v %v: %+v, was %+v", vrf, a, is, was)
			}
		}
	}
	if answers < 10 {
		t.Fatalf("only %d addresses have an answer: the test says nothing", answers)
	}
	for s := range r.Sources() {
		back.PeerUp(s.Peer, PeerInfo{Session: 99}, r.now+1)
		back.EndOfRIB(s.Peer, s.View, s.Family, r.now+2)
	}
	if n := back.Routes(); n != 0 {
		t.Errorf("%d routes are left after empty dumps", n)
	}
	for back.Tick(r.now+3+int64(back.opt.History), 100) { // the history had them
	}
	if n := back.in.Len(); n != 0 {
		t.Errorf("%d attribute sets are left", n)
	}
}

// Routes come and go while the image is written; what was there all the time is in it.
func TestImageWhileRoutesChange(t *testing.T) {
	in := NewIntern()
	r := New(in, Options{})
	k := worldPeers[0]
	set := func(p netip.Prefix, key string) {
		id := in.Acquire([]byte(key), func() Attrs { return Attrs{NextHop: worldHops[0], ASPath: []uint32{uint32(key[0])}} })
		r.Announce(r.Source(k, LocRIB, IPv4Unicast), 0, p, 0, false, id, 1e9)
	}
	drop := func(p netip.Prefix) { r.Withdraw(r.Source(k, LocRIB, IPv4Unicast), 0, p, 0, false, 2e9) }
	steady := func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
	}
	passing := func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{11, byte(i >> 8), byte(i), 0}), 24)
	}
	const n = 5000
	for i := range n {
		set(steady(i), string(rune('a'+i%20)))
		set(passing(i), string(rune('A'+i%20)))
	}
	w := r.Image()
	var b []byte
	for i, more := 0, true; more; i++ {
		b, more = w.Append(b, 10)
		drop(passing(i)) // its set's id may come to name another set
		set(passing(n+i), "later"+string(rune('0'+i%50)))
		r.Tick(r.now, 5)
	}
	back := New(NewIntern(), Options{})
	if _, err := back.Restore(bytes.NewReader(b), r.now); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		var m Match
		if got := back.Lookup(0, steady(i).Addr().Next(), netip.Addr{}, &m); got != Found || m.Prefix != steady(i) || m.Attrs.ASPath[0] != uint32('a'+i%20) {
			t.Fatalf("%v: %v %+v", steady(i), got, m)
		}
	}
}

// Every field of a set of attributes and of a peer comes back, also one that is added later.
func TestImageKeepsEveryField(t *testing.T) {
	var a Attrs
	fillIn(reflect.ValueOf(&a).Elem(), 1)
	a.Origin = OriginEGP
	d := imageDecoder{b: appendAttrs(nil, &a)}
	if got := d.attrs(); !reflect.DeepEqual(got, a) || d.bad || len(d.b) > 0 {
		t.Errorf("got  %+v\nwant %+v", got, a)
	}
}

// fillIn gives every field a value that is not its zero.
func fillIn(v reflect.Value, n uint64) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[netip.Addr]() {
			v.Set(reflect.ValueOf(netip.MustParseAddr("2001:db8::1")))
			return
		}
		for i := range v.NumField() {
			fillIn(v.Field(i), n+uint64(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fillIn(v.Index(0), n)
		fillIn(v.Index(1), n+1000)
	case reflect.Array:
		for i := range v.Len() {
			fillIn(v.Index(i), n+uint64(i))
		}
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.SetUint(n)
	}
}

func TestDamagedImagesAreRefused(t *testing.T) {
	r := randomRIB(t, 5)
	good := imageOf(r, 50)
	in := NewIntern()
	refused := func(what string, i int, b []byte) {
		back := New(in, Options{})
		if n, err := back.Restore(bytes.NewReader(b), r.now); !errors.Is(err, ErrImage) || n != 0 || back.Routes() != 0 {
			t.Fatalf("%s %d: %d routes, %d in the RIB, error %v", what, i, n, back.Routes(), err)
		}
		for back.Tick(r.now, 1000) {
		}
		if in.Len() != 0 {
			t.Fatalf("%s %d: %d attribute sets are left", what, i, in.Len())
		}
	}
	for i := 0; i < len(good); i += 1 + len(good)/500 {
		bad := bytes.Clone(good)
		bad[i] ^= 0x41
		refused("changed octet", i, bad)
		refused("cut after", i, good[:i])
	}
	refused("octet too many", len(good), append(bytes.Clone(good), 0))
}

// FuzzImage gives a reader items that passed their checksum: it must end with a RIB or an error, and keep no reference.
func FuzzImage(f *testing.F) {
	whole := imageOf(randomRIB(f, 7), 1<<20)
	for b := whole[len(imageMagic):]; len(b) > blockFrame; {
		n := int(uint32(b[1])<<24 | uint32(b[2])<<16 | uint32(b[3])<<8 | uint32(b[4]))
		if b[0] == blockItems {
			f.Add(b[blockHeader:blockHeader+min(n, 4000)], true)
			f.Add(b[blockHeader:blockHeader+min(n, 4000)], false)
		}
		b = b[blockFrame+n:]
	}
	f.Fuzz(func(t *testing.T, items []byte, six bool) {
		b := appendTable([]byte(imageMagic), tableID{six: six})
		at := len(b)
		b = closeBlock(append(openBlock(b, blockItems), items...), at)
		in := NewIntern()
		r := New(in, Options{MaxRoutes: 1000})
		n, err := r.Restore(bytes.NewReader(b), 1e18)
		if err == nil || n != 0 {
			t.Fatalf("an image without an end was taken: %d routes", n) // the end's count is missing
		}
		for r.Tick(2e18, 1000) {
		}
		if in.Len() != 0 {
			t.Fatalf("%d attribute sets are left", in.Len())
		}
	})
}

// BenchmarkImage writes and takes up the image of a full table.
func BenchmarkImage(b *testing.B) {
	const n = 1_000_000
	r := New(NewIntern(), Options{})
	fill(r, feedOf(n), LocRIB, 1)
	image := imageOf(r, 10_000)
	b.Run("write", func(b *testing.B) {
		buf := make([]byte, 0, 4<<20)
		for b.Loop() {
			w := r.Image()
			for more := true; more; {
				_, more = w.Append(buf, 10_000)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/route")
		b.ReportMetric(float64(len(image))/n, "octets/route")
	})
	b.Run("restore", func(b *testing.B) {
		for b.Loop() {
			back := New(NewIntern(), Options{})
			if got, err := back.Restore(bytes.NewReader(image), r.now); err != nil || got != n {
				b.Fatal(got, err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/route")
	})
}
