package correlate

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/ipfix"
)

// notHandedOver are the fields of a Device, and of what hangs on it, that another process has otherwise, with the reason. An index or a
// key of a map is []; what is said of the session of datagrams holds for those of streams.
var notHandedOver = map[string]string{
	"rib":            "an image of its own, whose tests compare it",
	"leaving":        "such devices are not told",
	"quota.before":   "an offset to the counters of the RIB, which begin anew; Refused is compared",
	"imaged":         "counts changes of the RIB here; whether the image has them is compared",
	"ownChanges":     "counts changes here; whether they are saved is compared",
	"savedChanges":   "the same",
	"savedAt":        "the time of the takeover, so that not all devices are saved at once",
	"hold.options":   "all flows are looked at again after a takeover",
	"hold.epoch":     "the same",
	"hold.ready":     "the same",
	"hold.due":       "says nothing without flows; compared where there are some",
	"hold.expecting": "the same",

	"options.Refused":           "counted anew",
	"options.Changed":           "counted anew",
	"options.Expired":           "counted anew",
	"options.Records":           "counted anew",
	"options.domains[].general": "that of domain 0, which is compared",
	"options.domains[].changes": "counts changes here",

	"session.Counters":                       "counted anew",
	"session.changes":                        "counts changes here",
	"session.scratch":                        "of the message at hand",
	"session.message":                        "of the message at hand",
	"session.batch":                          "of the message at hand",
	"session.watch":                          "of the message at hand",
	"session.batches":                        "of the message at hand",
	"session.swept":                          "when templates were last looked at",
	"session.held.sets[].header.Length":      "of the message that is gone",
	"session.domains[].messages":             "counted anew",
	"session.domains[].records":              "counted anew",
	"session.domains[].seq.Sequence":         "counted anew",
	"session.domains[].rates":                "a cache",
	"session.domains[].templates[].used":     "counted anew",
	"hold.flows[].flow.Record.Template.used": "counted anew",
	"hold.flows[].flow.Record.domain":        "that of the session, which is compared",
	"hold.flows[].flow.Options":              "the same",
}

// comparer finds where two values differ, and which fields of structs it has seen with a value.
type comparer struct {
	different []string
	set       map[string]bool // fields of this package's structs
	seen      map[[2]uintptr]bool
}

// compare walks over both values.
func (c *comparer) compare(path string, a, b reflect.Value) {
	if _, left := notHandedOver[strings.TrimPrefix(path, "streams[].")]; left {
		return
	}
	differ := func(format string, args ...any) {
		c.different = append(c.different, path+": "+fmt.Sprintf(format, args...))
	}
	switch a.Kind() {
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() || b.IsNil() {
			if a.IsNil() != b.IsNil() {
				differ("got nil %v, want nil %v", b.IsNil(), a.IsNil())
			}
			return
		}
		if a.Kind() == reflect.Pointer {
			at := [2]uintptr{a.Pointer(), b.Pointer()}
			if at[0] == at[1] || c.seen[at] {
				return
			}
			c.seen[at] = true
		}
		c.compare(path, a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			f := a.Type().Field(i)
			name := strings.TrimPrefix(path+"."+f.Name, ".")
			if strings.HasSuffix(a.Type().PkgPath(), "/correlate") && !strings.HasPrefix(path, "rib") {
				c.set[a.Type().Name()+"."+f.Name] = c.set[a.Type().Name()+"."+f.Name] || !a.Field(i).IsZero()
			}
			c.compare(name, a.Field(i), b.Field(i))
		}
	case reflect.Map:
		if a.Len() != b.Len() {
			differ("got %d, want %d", b.Len(), a.Len())
		}
		for _, k := range a.MapKeys() {
			other := b.MapIndex(k)
			if !other.IsValid() {
				differ("%v is missing", k)
				continue
			}
			c.compare(path+"[]", a.MapIndex(k), other)
		}
	case reflect.Slice, reflect.Array:
		if a.Len() != b.Len() {
			differ("got %d, want %d", b.Len(), a.Len())
			return
		}
		for i := range a.Len() {
			c.compare(path+"[]", a.Index(i), b.Index(i))
		}
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		if a.IsNil() != b.IsNil() {
			differ("one is nil")
		}
	default:
		if !a.Equal(b) {
			differ("got %v, want %v", b, a)
		}
	}
}

// liveConfig is small enough to go beyond.
func liveConfig() Config {
	return Config{
		PortInTemplateKey: true, MaxPeers: 2, QuietPeriod: time.Hour, DriftReports: 2, DriftRoutes: 1, HoldBytes: 1 << 20,
		OverQuota: func(netip.Addr, Refused) {},
	}
}

// tellSession plays a BMP session that drifts and goes beyond its quota.
func tellSession(t *testing.T, c *Correlator) *liveFeed {
	s := openFeed(t, c, device1, 7, testNow)
	p, far := globalPeer(0), globalPeer(bmp.FlagPostPolicy)
	far.Addr = addr("198.51.100.9")
	third := *p
	third.Addr = addr("198.51.100.10")
	s.tell(testNow, bmp.AppendInitiation(nil, &bmp.Initiation{SysDescr: "a router", SysName: "pe1"}), peerUp(p), peerUp(far), peerUp(&third),
		route(p, "10.1.0.0/16", 1, "203.0.113.1"), route(p, "10.2.0.0/16", 2, "203.0.113.1"), route(&third, "10.3.0.0/16", 3, "203.0.113.1"),
		endOfRIB(p), endOfRIB(far))
	for i := range int64(3) {
		s.tell(testNow+i*second, report(p, bmp.Statistic{Type: bmp.StatAdjRIBInFamily, Family: bgp.IPv4Unicast, Value: 900}),
			report(far, bmp.Statistic{Type: bmp.StatAdjRIBIn, Value: 7}))
	}
	return s
}

func TestLiveDeviceIsTheSame(t *testing.T) {
	set := make(map[string]bool)
	for _, c := range []struct {
		name string
		tell func(t *testing.T, c *Correlator)
	}{
		{"nothing but a name", func(t *testing.T, c *Correlator) {
			openFeed(t, c, device1, 1, testNow).tell(testNow, bmp.AppendInitiation(nil, &bmp.Initiation{SysName: "pe1"}))
		}},
		{"BMP session with drift, beyond its quota", func(t *testing.T, c *Correlator) {
			tellSession(t, c)
			d := c.devices[device1]
			if len(d.drift) == 0 || d.bgpID != ce || !d.quota.noted || !d.Refused().Any() {
				t.Fatalf("drift %v, id %s, quota noted %v, refused %+v", d.drift, d.bgpID, d.quota.noted, d.Refused())
			}
		}},
		{"two sessions, one of which has ended", func(t *testing.T, c *Correlator) {
			s := tellSession(t, c)
			openFeed(t, c, device1, 9, testNow).tell(testNow, peerUp(globalPeer(0)))
			s.close(testNow + second)
		}},
		{"session after one that went beyond its quota", func(t *testing.T, c *Correlator) {
			tellSession(t, c).close(testNow + second)
			openFeed(t, c, device1, 9, testNow+second).tell(testNow+second, peerUp(globalPeer(0)))
		}},
		{"awaited session", func(_ *testing.T, c *Correlator) {
			c.deviceOf(device1, testNow).await(testNow + 17*second)
		}},
		{"wait for routes in vain", func(_ *testing.T, c *Correlator) {
			c.deviceOf(device1, testNow).ribGaveUp = true
		}},
		{"clock that is off", func(t *testing.T, c *Correlator) {
			c.ipfix(t, device1, 0, 0, testNow+90*second, plainFlows(t, 1, 3))
		}},
		{"image in the state directory", func(_ *testing.T, c *Correlator) {
			d := c.deviceOf(device1, testNow)
			d.hasImage, d.imageAt, d.imaged = true, testNow-second, d.rib.Changes()
		}},
		{"routes that the image has not", func(t *testing.T, c *Correlator) {
			tellSession(t, c)
			d := c.devices[device1]
			d.hasImage, d.imageAt, d.imaged = true, testNow-second, d.rib.Changes()-1
		}},
		{"saved state", func(t *testing.T, c *Correlator) {
			c.ipfix(t, device1, 0, 0, testNow, vrfFlows(t, idA))
			c.Unsaved(testNow, 10, func(netip.Addr, []byte) {})
		}},
		{"templates, options, sequence numbers, sets that wait for their template", func(t *testing.T, c *Correlator) {
			c.ipfix(t, device1, 0, 0, testNow, flowSpec{src: "10.1.2.3", dst: "10.1.3.4", in: idA}.message(t))
			c.ipfix(t, device1, 0, 0, testNow, plainFlows(t, 1, 2))
			c.ipfix(t, device1, 0, 0, testNow, unknownSet(t, 999))
		}},
		{"streams of connections, ports and another address", func(t *testing.T, c *Correlator) {
			c.SetAliases(map[netip.Addr]netip.Addr{device2: device1})
			c.ipfix(t, device1, 0, 0, testNow, plainFlows(t, 1, 2))
			c.ipfix(t, device1, 5, 0, testNow+second, plainFlows(t, 3, 2))
			c.ipfix(t, device1, 6, 0, testNow+2*second, unknownSet(t, 300))
			c.ipfix(t, device1, 0, 4321, testNow+3*second, vrfFlows(t, idA, idB))
			c.ipfix(t, device2, 0, 4322, testNow+4*second, plainFlows(t, 5, 2))
		}},
		{"flows held for each reason", func(t *testing.T, c *Correlator) {
			c.ipfix(t, device1, 5, 0, testNow, vrfFlows(t, 71, 72))
			c.ipfix(t, device1, 0, 0, testNow+second, vrfFlows(t, 73, 74, 75))
			c.ipfix(t, device1, 0, 4321, testNow+2*second, vrfFlows(t, 76))
			h := &c.devices[device1].hold
			for i := range h.flows {
				h.flows[i].why = wait(1 + i%(int(numWaits)-1))
				h.flows[i].until += int64(i) * second
			}
		}},
		{"flow held of a connection that has ended", func(t *testing.T, c *Correlator) {
			c.ipfix(t, device1, 0, 0, testNow, plainFlows(t, 1, 1)) // so that its domain, to which the flow goes over, is there
			c.ipfix(t, device1, 5, 0, testNow, vrfFlows(t, 71))
			c.StreamEnded(device1, Stream{Conn: 5})
		}},
		{"quality of joins", joinSome},
		{"ids that were waited for in vain", func(t *testing.T, c *Correlator) {
			c.ipfix(t, device1, 0, 0, testNow, vrfFlows(t, 71, 72))
			c.Tick(testNow+3600*second, 100)
			if n := len(c.devices[device1].hold.gaveUp); n != 2 {
				t.Fatalf("%d", n)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			was, back := handOver(t, c.tell)
			cmp := comparer{set: set, seen: make(map[[2]uintptr]bool)}
			a, b := was.devices[device1], back.devices[device1]
			cmp.compare("", reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem())
			for _, line := range cmp.different {
				t.Error(line)
			}
			for what, pair := range map[string][2]any{
				"refused":                    {b.Refused(), a.Refused()},
				"state is saved":             {b.savedChanges == b.changes(), a.savedChanges == a.changes()},
				"image has all":              {b.imaged == b.rib.Changes(), a.imaged == a.rib.Changes()},
				"routes":                     {b.rib.Routes(), a.rib.Routes()},
				"octets held of all":         {back.heldBytes, was.heldBytes},
				"devices that wait":          {len(back.waiting), len(was.waiting)},
				"when the first device came": {back.began, was.began},
				"BMP in use":                 {back.bmpSeen, was.bmpSeen},
				"held flows' octets":         {heldOctets(b), b.hold.bytes},
				"end of the first wait":      {dueOf(b), dueOf(a)},
			} {
				if pair[0] != pair[1] {
					t.Errorf("%s: got %v, want %v", what, pair[0], pair[1])
				}
			}
		})
	}
	for _, field := range slices.Sorted(maps.Keys(set)) {
		if !set[field] && field != "Device.leaving" && field != "hold.ready" {
			t.Errorf("no case sets %s", field)
		}
	}
}

// joinSome has flows of each kind joined: with routes and without, some after a wait, more missed prefixes than are remembered.
func joinSome(t *testing.T, c *Correlator) {
	s := openFeed(t, c, device1, 1, testNow-second)
	s.tell(testNow-second, peerUp(locRIB(0)), route(locRIB(0), "10.1.0.0/16", 1, "203.0.113.1"), route(locRIB(0), "2001:db8::/32", 2, "2001:db8::1"))
	c.ipfix(t, device1, 0, 4321, testNow, plainFlows(t, 0, 3))
	s.tell(testNow+second, endOfRIB(locRIB(0)))
	c.Tick(testNow+second, 1000)
	c.ipfix(t, device1, 0, 4321, testNow+2*second, plainFlows(t, 3, 5))
	for i := range maxMissed + 9 {
		c.ipfix(t, device1, 0, 4322, testNow+3*second, flowSpec{src: "10.1.2.3", dst: fmt.Sprintf("10.8.%d.1", i)}.message(t))
	}
	c.ipfix(t, device1, 0, 4322, testNow+3*second, flowSpec{src: "10.1.2.3", dst: "10.1.3.4", in: idUntold}.message(t))
	c.ipfix(t, device1, 0, 4323, testNow+3*second, flowSpec{src: "2001:db7:1::1", dst: "2001:db8::5"}.message(t))
	c.Tick(testNow+70*second, 1000)
	q := &c.devices[device1].quality
	q.AsOf = 7
	q.missed.count(rdA, addr("10.9.0.1"))
	if q.Ended[endKnown] == 0 || q.Ended[endTimedOut] == 0 || q.AgeSum[SideDst] == 0 || len(q.missed.list) != maxMissed {
		t.Fatalf("%+v", *q)
	}
}

// What is counted of the joins of all devices begins anew in another process, and goes on from there when a device leaves.
func TestQualityOfAllBeginsAnew(t *testing.T) {
	_, c := handOver(t, joinSome)
	if got := c.Counters().Quality; got != (Quality{}) {
		t.Errorf("got %+v", got)
	}
	before := c.devices[device1].quality.Quality
	c.ipfix(t, device1, 0, 4321, testNow+71*second, plainFlows(t, 3, 5))
	d := c.devices[device1]
	for _, when := range []string{"with the device", "without the device"} {
		if n := c.Counters().Quality; n.Joins[SideDst][JoinHit] != 5 || n.States[RIBSynced] != 5 {
			t.Errorf("%s: got %+v", when, n)
		}
		if when == "with the device" {
			if got, want := d.quality.Joins[SideDst][JoinHit], before.Joins[SideDst][JoinHit]+5; got != want {
				t.Errorf("the device's own: %d hits, want %d", got, want)
			}
			c.forget(d)
		}
	}
}

func dueOf(d *Device) int64 {
	if len(d.hold.flows) == 0 {
		return noDue
	}
	return d.hold.due
}

func heldOctets(d *Device) (n int) {
	for i := range d.hold.flows {
		n += d.hold.flows[i].flow.Size()
	}
	return n
}

// handOver has a device told of, and another Correlator take it up as another process would.
func handOver(t *testing.T, tell func(*testing.T, *Correlator)) (was, back *Correlator) {
	t.Helper()
	make := func() *Correlator {
		c, err := New(liveConfig(), func(*Record) {})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	was, back = make(), make()
	tell(t, was)
	back.SetAliases(was.aliases)
	if err := back.RestoreLive(was.AppendLive(nil)); err != nil {
		t.Fatal(err)
	}
	for _, l := range was.Live() {
		routes, err := back.RestoreDevice(l.Device, l.AppendState(nil), testNow+10*second)
		if err != nil {
			t.Fatal(err)
		}
		if routes != l.HasRoutes() {
			t.Errorf("routes are told: %v, want %v", routes, l.HasRoutes())
		}
		if !routes {
			continue
		}
		b, _ := l.RIB().Append(nil, 1<<20)
		if n, err := back.RestoreLiveRIB(l.Device, bytes.NewReader(b), testNow+10*second); err != nil || n != l.d.rib.Routes() {
			t.Fatalf("%d routes, error %v", n, err)
		}
	}
	return was, back
}

// ipfix takes a message that came by a connection or from a port.
func (c *Correlator) ipfix(t *testing.T, from netip.Addr, conn uint64, port uint16, now int64, msg []byte) {
	t.Helper()
	if err := c.StreamMessage(from, Stream{Conn: conn, Port: port}, msg, now); err != nil {
		t.Fatal(err)
	}
}

// unknownSet is a message with a data set whose template was not told.
func unknownSet(t *testing.T, template uint16) []byte {
	t.Helper()
	var m ipfix.Builder
	m.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: testNow, Domain: 1, Sequence: 77})
	m.Set(template)
	m.Uint(1, 8)
	return finish(t, &m)
}

// TestLiveFlowsAreJoinedInOrder hands over flows that wait, and lets come what they wait for.
func TestLiveFlowsAreJoinedInOrder(t *testing.T) {
	_, c := handOver(t, func(t *testing.T, c *Correlator) {
		s := openFeed(t, c, device1, 1, testNow)
		s.tell(testNow, peerUp(globalPeer(0)), route(globalPeer(0), "10.1.0.0/16", 13, "203.0.113.3"))
		c.ipfix(t, device1, 0, 0, testNow, plainFlows(t, 1, 20))
		c.ipfix(t, device1, 5, 0, testNow, plainFlows(t, 21, 20))
	})
	var got []uint64
	c.emit = func(r *Record) {
		if !r.Dst.Join.Hit() {
			t.Errorf("flow %d: %v", r.Flow.Bytes, r.Dst.Join)
		}
		got = append(got, r.Flow.Bytes)
	}
	s := &liveFeed{t: t, c: c, f: NewFeed(device1, FeedConfig{Session: 1}, nil)}
	s.f.batch = <-s.f.free
	c.Tick(testNow+11*second, 100)
	c.ipfix(t, device1, 5, 0, testNow+11*second, plainFlows(t, 41, 5))
	if len(got) != 0 {
		t.Fatalf("%v came before their routes", got)
	}
	s.tell(testNow+12*second, endOfRIB(globalPeer(0)))
	c.Tick(testNow+12*second, 100)
	if !sameNumbers(got, 1, 46) {
		t.Errorf("got %v", got)
	}
}

// FuzzLiveDevice takes up octets as a device of another process, and what comes of it is handed over once more.
func FuzzLiveDevice(f *testing.F) {
	for _, tell := range []func(*testing.T, *Correlator){
		func(t *testing.T, c *Correlator) { tellSession(t, c) },
		func(t *testing.T, c *Correlator) {
			c.ipfix(t, device1, 5, 0, testNow, vrfFlows(t, 71, 72))
			c.ipfix(t, device1, 0, 4321, testNow, unknownSet(t, 300))
		},
		joinSome,
	} {
		_, c := handOver(&testing.T{}, tell)
		f.Add(c.AppendLive(nil), c.Live()[0].AppendState(nil))
	}
	f.Fuzz(func(t *testing.T, all, state []byte) {
		c, err := New(liveConfig(), func(*Record) {})
		if err != nil {
			t.Fatal(err)
		}
		_ = c.RestoreLive(all)
		routes, err := c.RestoreDevice(device1, state, testNow)
		if (err == nil) != (len(c.devices) == 1) {
			t.Fatalf("error %v, %d devices", err, len(c.devices))
		}
		if err != nil {
			if c.heldBytes != 0 || len(c.waiting) != 0 || routes {
				t.Fatalf("%d octets, %d devices that wait, routes %v after an error", c.heldBytes, len(c.waiting), routes)
			}
			return
		}
		d := c.devices[device1]
		if q := c.Counters().Quality; q != (Quality{}) || len(d.quality.missed.list) > maxMissed || len(d.quality.missed.index) != len(d.quality.missed.list) {
			t.Fatalf("joins of all %+v, missed %+v", q, d.quality.missed)
		}
		if n := heldOctets(d); n != d.hold.bytes || n != c.heldBytes {
			t.Fatalf("%d octets held, counted %d, of all %d", n, d.hold.bytes, c.heldBytes)
		}
		again, err := New(liveConfig(), func(*Record) {})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := again.RestoreDevice(device1, c.Live()[0].AppendState(nil), testNow); err != nil {
			t.Fatalf("handed over once more: %v", err)
		}
		c.Tick(testNow+second, 100)
		_ = c.StreamMessage(device1, Stream{}, []byte{0, 10, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, testNow+second)
		c.Tick(testNow+3600*second, 100)
		c.Release()
		if c.heldBytes != 0 {
			t.Fatalf("%d octets stay held", c.heldBytes)
		}
	})
}
