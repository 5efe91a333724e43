package simrouter

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/telcol/telcol/collector/record"
	"github.com/telcol/telcol/correlate"
)

// path is the way of a worker from bytes to JSON, without sockets.
type path struct {
	t    *testing.T
	corr *correlate.Correlator
	enc  *record.Encoder
	now  time.Time
	got  []string
}

func newPath(t *testing.T) *path {
	t.Helper()
	p := &path{t: t, enc: record.NewEncoder(3), now: time.Unix(1_700_000_000, 0)}
	var err error
	p.corr, err = correlate.New(correlate.Config{NewWait: -1, RIBWait: -1}, func(r *correlate.Record) {
		p.got = append(p.got, string(p.enc.AppendJSON(nil, r)))
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// bmp applies a BMP stream of a device.
func (p *path) bmp(d *Device, stream []byte) {
	p.t.Helper()
	batches := make(chan *correlate.Batch)
	ended := make(chan error)
	go func() {
		feed := correlate.NewFeed(d.Addr(), correlate.FeedConfig{Refused: func(err error) { p.t.Error(err) }}, batches)
		ended <- feed.Run(bytes.NewReader(stream))
	}()
	for {
		select {
		case b := <-batches:
			p.corr.Apply(b, p.now.UnixNano())
			b.Free()
		case <-ended:
			return
		}
	}
}

// ipfix gives the records of a message.
func (p *path) ipfix(d *Device, msg []byte) []string {
	p.t.Helper()
	p.got = nil
	err := p.corr.Message(d.Addr(), msg, p.now.UnixNano())
	if err != nil {
		p.t.Fatal(err)
	}
	return p.got
}

func dump(t *testing.T, d *Device, now time.Time) []byte {
	t.Helper()
	var b []byte
	if err := d.Dump(now, func(piece []byte) error { b = append(b, piece...); return nil }); err != nil {
		t.Fatal(err)
	}
	return b
}

func newDevice(t testing.TB, dialect Dialect, vrfs int) *Device {
	t.Helper()
	d, err := NewDevice(DeviceConfig{Addr: netip.MustParseAddr("127.1.2.3"), Name: "r1", Seed: 7, Dialect: dialect, Routes: 400, VRFs: vrfs})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDevicesAreNotOne holds that devices, even without a name, have nothing in common that makes two addresses look like one device.
func TestDevicesAreNotOne(t *testing.T) {
	p := newPath(t)
	addr := netip.MustParseAddr("127.1.2.3")
	for dialect := range 2 * numDialects {
		d, err := NewDevice(DeviceConfig{Addr: addr, Seed: 7, Dialect: dialect % numDialects, Routes: 64, VRFs: 1})
		if err != nil {
			t.Fatal(err)
		}
		d.cfg.Name = ""
		p.bmp(d, dump(t, d, p.now))
		addr = addr.Next()
	}
	if got := p.corr.AliasCandidates(); len(got) > 0 {
		t.Errorf("these seem to be one device: %v", got)
	}
}

// TestRecordsAreRight plays devices of all dialects through decoders, join and encoder: every record has the right answer, before
// and after changes of routes.
func TestRecordsAreRight(t *testing.T) {
	for dialect := range numDialects {
		for vrfs := range 3 {
			t.Run(fmt.Sprintf("dialect %d, %d vrfs", dialect, vrfs), func(t *testing.T) {
				d, p := newDevice(t, dialect, vrfs), newPath(t)
				c := NewChecker([]*Device{d}, func(netip.Addr) int { return 3 })
				p.bmp(d, dump(t, d, p.now))
				if got := p.corr.Totals().Routes; got != d.Routes() {
					t.Errorf("%d routes, want %d", got, d.Routes())
				}
				p.ipfix(d, d.AppendTemplates(nil, p.now))
				rounds, flows := 20, 20
				if testing.Short() {
					rounds = 5
				}
				var changes []byte
				for range rounds {
					p.now = p.now.Add(time.Second)
					for _, r := range p.ipfix(d, d.AppendFlows(nil, p.now, flows)) {
						if err := c.Check([]byte(r)); err != nil {
							t.Fatalf("%v\n%s", err, r)
						}
					}
					for range 7 {
						changes = d.AppendChange(changes, p.now)
					}
					// A BMP stream begins with a dump; of the routes that changed it tells the new state.
					p.bmp(d, dump(t, d, p.now))
				}
				want := Tally{Records: uint64(rounds * flows), Right: uint64(rounds * flows)}
				if got := c.Tally(); got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
			})
		}
	}
}

// TestChangesAreTold holds that a dump and the changes after it tell the same as a dump after the changes.
func TestChangesAreTold(t *testing.T) {
	for dialect := range numDialects {
		d, p := newDevice(t, dialect, 2), newPath(t)
		stream := dump(t, d, p.now)
		for range 500 {
			stream = d.AppendChange(stream, p.now)
		}
		if d.Away() == 0 {
			t.Error("no route is withdrawn")
		}
		c := NewChecker([]*Device{d}, nil)
		p.bmp(d, stream)
		if got := p.corr.Totals().Routes; got != d.Routes() {
			t.Errorf("dialect %d: %d routes, want %d", dialect, got, d.Routes())
		}
		p.ipfix(d, d.AppendTemplates(nil, p.now))
		p.now = p.now.Add(time.Minute) // old attributes are wrong by now
		for range 20 {
			for _, r := range p.ipfix(d, d.AppendFlows(nil, p.now, MaxFlows)) {
				if err := c.Check([]byte(r)); err != nil {
					t.Fatalf("%v\n%s", err, r)
				}
			}
		}
	}
}

// TestCheckerFindsFaults gives the checker records that are not as they should be.
func TestCheckerFindsFaults(t *testing.T) {
	d, p := newDevice(t, LocRIB, 2), newPath(t)
	p.bmp(d, dump(t, d, p.now))
	p.ipfix(d, d.AppendTemplates(nil, p.now))
	good := p.ipfix(d, d.AppendFlows(nil, p.now, 1))[0]
	replace := func(old, new string) string {
		t.Helper()
		if !strings.Contains(good, old) {
			t.Fatalf("no %s in %s", old, good)
		}
		return strings.Replace(good, old, new, 1)
	}
	late := newPath(t)
	late.ipfix(d, d.AppendTemplates(nil, p.now))
	for _, c := range []struct {
		name, record string
		want         Tally
	}{
		{"good", good, Tally{Records: 1, Right: 1}},
		{"without routes", late.ipfix(d, d.AppendFlows(nil, p.now, 1))[0], Tally{Records: 1, Unjoined: 1}},
		{"next hop", replace(`"dst_next_hop":"192.0.2.`, `"dst_next_hop":"192.0.3.`), Tally{Records: 1, Wrong: 1}},
		{"path", replace(`"dst_as_path":[`, `"dst_as_path":[1,`), Tally{Records: 1, Wrong: 1}},
		{"communities", replace(`"src_communities":["64496:`, `"src_communities":["1:1","64496:`), Tally{Records: 1, Wrong: 1}},
		{"view", replace(`"src_rib":"loc-rib"`, `"src_rib":"adj-rib-in-pre"`), Tally{Records: 1, Wrong: 1}},
		{"bytes", replace(`"bytes":`, `"bytes":1`), Tally{Records: 1, Wrong: 1}},
		{"vrf", replace(`"vrf_name":"`, `"vrf_name":"x`), Tally{Records: 1, Wrong: 1}},
		{"slot", replace(`"slot":3`, `"slot":2`), Tally{Records: 1, Right: 1, Misplaced: 1}},
		{"device", replace(`"device":"127.1.2.3"`, `"device":"127.1.2.4"`), Tally{Foreign: 1}},
		{"no record", `{"type":"peer"}`, Tally{Unreadable: 1}},
		{"no JSON", `{`, Tally{Unreadable: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			checker := NewChecker([]*Device{d}, func(netip.Addr) int { return 3 })
			err := checker.Check([]byte(c.record))
			got := checker.Tally()
			if (err == nil) != (c.want.Bad() == 0 || c.name == "slot") {
				t.Errorf("error is %v", err)
			}
			if got.FirstWrong = ""; got != c.want {
				t.Errorf("got %+v, want %+v (%v)", got, c.want, err)
			}
		})
	}
	t.Run("twice", func(t *testing.T) {
		checker := NewChecker([]*Device{d}, nil)
		if err := checker.Check([]byte(good)); err != nil {
			t.Error(err)
		}
		if err := checker.Check([]byte(good)); err == nil || checker.Tally().Duplicates != 1 {
			t.Errorf("got %v, %+v", err, checker.Tally())
		}
	})
}

func TestDevicesAreDeterministic(t *testing.T) {
	a, b := newDevice(t, VPN, 2), newDevice(t, VPN, 2)
	now := time.Unix(1_700_000_000, 0)
	if !bytes.Equal(dump(t, a, now), dump(t, b, now)) {
		t.Error("dumps differ")
	}
	for range 10 {
		if !bytes.Equal(a.AppendFlows(nil, now, 20), b.AppendFlows(nil, now, 20)) {
			t.Error("flows differ")
		}
		if !bytes.Equal(a.AppendChange(nil, now), b.AppendChange(nil, now)) {
			t.Error("changes differ")
		}
	}
}

// TestFindIsLongestMatch compares the arithmetic with a search through all prefixes.
func TestFindIsLongestMatch(t *testing.T) {
	for _, tab := range []table{newTable(0, v4, 200), newTable(0, v6, 70), newTable(1, v4, 79), newTable(2, v6, 80)} {
		s := stream(1)
		for range 4000 {
			a := tab.family.addr(tab.base+s.next()%(uint64(tab.routes+2)<<tab.block), 1)
			want, found := -1, false
			for i := range tab.routes {
				if tab.prefix(i).Contains(a) && (!found || tab.prefix(i).Bits() > tab.prefix(want).Bits()) {
					want, found = i, true
				}
			}
			got, ok := tab.find(a)
			if ok != found || ok && got != want {
				t.Fatalf("%v: got %d %v, want %d %v", a, got, ok, want, found)
			}
		}
		for i := range tab.routes {
			for range 50 {
				a := tab.pick(i, &s)
				if !tab.prefix(i).Contains(a) {
					t.Fatalf("%v is not in route %d, %v", a, i, tab.prefix(i))
				}
				if p := tab.prefix(i); p != p.Masked() {
					t.Fatalf("%v has host bits", p)
				}
			}
		}
	}
}

func TestFlowOctets(t *testing.T) {
	for f, got := range flowOctets {
		want := 0
		for _, field := range flowFields(family(f)) {
			want += int(field.Len)
		}
		if got != want {
			t.Errorf("family %d: got %d, want %d", f, got, want)
		}
	}
}

func TestWindow(t *testing.T) {
	var w window
	for _, c := range []struct {
		n    uint32
		want bool
	}{
		{5, true},
		{5, false},
		{7, true},
		{6, true},
		{6, false},
		{4, true},
		{5 + windowSize, true},
		{7, false},
		{6 + windowSize*3, true},
		{6 + windowSize*3 - 1, true},
		{6 + windowSize*3 - 1, false},
		{5, false},
	} {
		if got := w.add(c.n); got != c.want {
			t.Errorf("%d: got %v, want %v", c.n, got, c.want)
		}
	}
	w = window{}
	if !w.add(1<<32-1) || !w.add(0) || w.add(1<<32-1) || !w.add(1) {
		t.Error("numbers that wrap")
	}
}

func BenchmarkAppendFlows(b *testing.B) {
	d := newDevice(b, LocRIB, 2)
	buf := make([]byte, 0, 1<<16)
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		buf = d.AppendFlows(buf[:0], now, 20)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(20*b.N), "ns/flow")
}
