package correlate

import (
	"bytes"
	"net/netip"
	"reflect"
	"testing"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/ipfix"
)

var device1v6 = addr("2001:db8::1")

// IPFIX over IPv4 and BMP over IPv6 of one router meet.
func TestAliasesAreOneDevice(t *testing.T) {
	c, got := holdBench(t, Config{})
	c.SetAliases(map[netip.Addr]netip.Addr{device1: device1v6})
	s := openFeed(t, c, device1v6, 1, testNow)
	s.tell(testNow, peerUp(locRIB(0)), route(locRIB(0), "10.1.0.0/16", 1, "203.0.113.1"), endOfRIB(locRIB(0)))
	message(t, c, device1, plainFlows(t, 0, 1), testNow)
	if len(*got) != 1 {
		t.Fatalf("%d records", len(*got))
	}
	if r := (*got)[0]; r.Dst.Join != JoinHit || r.Device != device1v6 || r.Exporter != device1 {
		t.Errorf("%v of device %v, exporter %v", r.Dst.Join, r.Device, r.Exporter)
	}
	if n := c.Totals().Devices; n != 1 {
		t.Errorf("%d devices, want one", n)
	}
}

// Two exporting processes of a device may use one template id for different things.
func TestTemplatesStayApartByAddress(t *testing.T) {
	c, got := holdBench(t, Config{RIBWait: -1})
	c.SetAliases(map[netip.Addr]netip.Addr{device1: device1v6})
	message(t, c, device1, plainFlows(t, 7, 1), testNow)
	message(t, c, device1v6, vrfFlows(t, 0), testNow) // another template 256
	var m ipfix.Builder
	m.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: testNow, Domain: 1})
	m.Set(256)
	m.Uint(9, 4)
	m.Addr(addr("10.1.2.3"))
	m.Addr(addr("10.1.3.4"))
	data := finish(t, &m)
	message(t, c, device1, data, testNow)
	if len(*got) != 3 || (*got)[2].Flow.Bytes != 9 {
		t.Fatalf("%d records, the last of %d octets: read by the template of the other address", len(*got), (*got)[len(*got)-1].Flow.Bytes)
	}

	var state []byte
	c.Unsaved(0, -1, func(_ netip.Addr, b []byte) { state = bytes.Clone(b) })
	for _, aliases := range []map[netip.Addr]netip.Addr{{device1: device1v6}, nil} {
		again, got := holdBench(t, Config{RIBWait: -1})
		again.SetAliases(aliases)
		if err := again.Restore(device1v6, state, testNow); err != nil {
			t.Fatal(err)
		}
		message(t, again, device1, data, testNow)
		if kept := len(*got) == 1; kept != (aliases != nil) {
			t.Errorf("aliases %v: the template of the other address is known: %v", aliases, kept)
		}
	}
}

func TestChangedAliases(t *testing.T) {
	c, got := holdBench(t, Config{RIBWait: -1})
	message(t, c, device1, plainFlows(t, 0, 1), testNow)
	if changed := c.SetAliases(map[netip.Addr]netip.Addr{device1: device2}); !reflect.DeepEqual(changed, []netip.Addr{device1}) {
		t.Errorf("changed %v", changed)
	}
	if c.devices[device1] != nil {
		t.Error("an alias is still a device")
	}
	message(t, c, device1, plainFlows(t, 1, 1), testNow)
	if changed := c.SetAliases(map[netip.Addr]netip.Addr{device1: device2}); changed != nil {
		t.Errorf("changed %v, want nothing", changed)
	}
	if changed := c.SetAliases(nil); !reflect.DeepEqual(changed, []netip.Addr{device1}) {
		t.Errorf("changed %v", changed)
	}
	message(t, c, device1, plainFlows(t, 2, 1), testNow)
	for i, want := range []netip.Addr{device1, device2, device1} {
		if (*got)[i].Device != want {
			t.Errorf("record %d is of %v, want %v", i, (*got)[i].Device, want)
		}
	}
	if d := c.devices[device2]; len(d.streams) != 0 {
		t.Error("the templates of a former alias are kept")
	}
}

// The templates of an alias that another device gets are forgotten, those of the device's other aliases are not.
func TestAliasMovesToAnotherDevice(t *testing.T) {
	c, _ := holdBench(t, Config{RIBWait: -1})
	device3, canonical := addr("192.0.2.3"), addr("192.0.2.100")
	c.SetAliases(map[netip.Addr]netip.Addr{device1: canonical, device2: canonical})
	message(t, c, device1, plainFlows(t, 0, 1), testNow)
	message(t, c, device2, plainFlows(t, 0, 1), testNow)
	changed := c.SetAliases(map[netip.Addr]netip.Addr{device1: device3, device2: canonical})
	if !reflect.DeepEqual(changed, []netip.Addr{device1}) {
		t.Errorf("changed %v, want the one that moved", changed)
	}
	for s := range c.devices[canonical].streams {
		if s.Addr != device2 {
			t.Errorf("the templates of %v are kept", s.Addr)
		}
	}
	if n := len(c.devices[canonical].streams); n != 1 {
		t.Errorf("%d streams, want that of the other alias", n)
	}
}

// plainData is plainFlows of one flow without the template.
func plainData(t *testing.T, number uint64, sequence uint32) []byte {
	t.Helper()
	var m ipfix.Builder
	m.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: testNow, Domain: 1, Sequence: sequence})
	m.Set(256)
	m.Uint(number, 4)
	m.Addr(addr("10.1.2.3"))
	m.Addr(addr("10.1.3.4"))
	return finish(t, &m)
}

// What an address had learnt before it became another device's is that one's: nothing has to come again.
func TestANewAliasBringsWhatItHadLearnt(t *testing.T) {
	for _, known := range []bool{true, false} {
		c, got := holdBench(t, Config{RIBWait: -1})
		message(t, c, device1, plainFlows(t, 0, 1), testNow)
		message(t, c, device1, vrfOptionsOf(t, 7, rdA), testNow)
		message(t, c, device1, vrfOptionsOf(t, 8, rdA), testNow)
		message(t, c, device1, unknownSet(t, 300), testNow)
		message(t, c, device1, plainData(t, 1, 78), testNow)
		if known {
			message(t, c, device2, vrfOptionsOf(t, 8, rdB), testNow)
			message(t, c, device2, streamMessage(t, 8, true), testNow) // another template 256
		}
		*got = nil
		c.SetAliases(map[netip.Addr]netip.Addr{device1: device2})
		d := c.devices[device2]
		if c.devices[device1] != nil || d == nil {
			t.Fatalf("device 1 %v, device 2 %v", c.devices[device1], d)
		}
		before := c.Counters().IPFIX
		message(t, c, device1, plainData(t, 9, 85), testNow)
		if len(*got) != 1 || (*got)[0].Flow.Bytes != 9 || (*got)[0].Device != device2 || (*got)[0].Exporter != device1 {
			t.Errorf("data by a template of before: %+v", *got)
		}
		if n := c.Counters().IPFIX; n.SequenceLost != before.SequenceLost+6 || n.UnknownSets != before.UnknownSets {
			t.Errorf("counters %+v", n)
		}
		var m ipfix.Builder
		m.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: testNow, Domain: 1})
		m.Template(300, ipfix.Field{ID: 1, Len: 8})
		message(t, c, device1, finish(t, &m), testNow)
		if n := c.Counters().IPFIX; len(*got) != 2 || n.ReleasedSets != 1 || n.EndedSets != 0 || n.HeldSets != 1 {
			t.Errorf("what waited for a template: %d records, counters %+v", len(*got), n)
		}
		o := d.options.Known(1)
		if v, ok := o.IngressVRF(7); !ok || v.RD != uint64(rdA) {
			t.Errorf("VRF of the address is %+v, known %v", v, ok)
		}
		want := rdA
		if known {
			want = rdB
		}
		if v, _ := o.IngressVRF(8); v.RD != uint64(want) {
			t.Errorf("VRF of both is %+v, want the device's own", v)
		}
		saved := false
		c.Unsaved(0, -1, func(a netip.Addr, _ []byte) { saved = saved || a == device2 })
		if !saved {
			t.Error("the device would not be saved")
		}
	}
}

// A device that becomes an alias brings its own aliases, its connections and its ports along.
func TestANewAliasBringsItsStreams(t *testing.T) {
	c, got := holdBench(t, Config{RIBWait: -1, PortInTemplateKey: true})
	c.SetAliases(map[netip.Addr]netip.Addr{device2: device1})
	c.ipfix(t, device1, 5, 0, testNow, plainFlows(t, 0, 1))
	c.ipfix(t, device1, 0, 4321, testNow, plainFlows(t, 0, 1))
	c.ipfix(t, device2, 0, 4321, testNow, plainFlows(t, 0, 1))
	*got = nil
	c.SetAliases(map[netip.Addr]netip.Addr{device2: device1v6, device1: device1v6})
	c.ipfix(t, device1, 5, 0, testNow, plainData(t, 1, 1))
	c.ipfix(t, device1, 0, 4321, testNow, plainData(t, 2, 1))
	c.ipfix(t, device2, 0, 4321, testNow, plainData(t, 3, 1))
	if n := flowsIn(t, *got, JoinNoRIB, RIBAbsent); !sameNumbers(n, 1, 4) {
		t.Errorf("flows %v", n)
	}
	if n := len(c.devices[device1v6].streams); n != 3 || c.Totals().Devices != 1 {
		t.Errorf("%d streams, %d devices, want 3 of one", n, c.Totals().Devices)
	}
	c.StreamEnded(device1, Stream{Conn: 5})
	if n := c.Totals().Templates; n != 2 {
		t.Errorf("%d templates after the end of the connection, want 2", n)
	}
}

// A device that becomes an alias makes room for the one that it is a part of now.
func TestANewAliasAtAFullWorker(t *testing.T) {
	c, got := holdBench(t, Config{RIBWait: -1, MaxDevices: 1})
	message(t, c, device1, plainFlows(t, 0, 1), testNow)
	c.SetAliases(map[netip.Addr]netip.Addr{device1: device2})
	message(t, c, device1, plainData(t, 1, 1), testNow)
	if len(*got) != 2 || c.Counters().DeviceQuota != 0 {
		t.Errorf("%d records, %d messages refused", len(*got), c.Counters().DeviceQuota)
	}
}

// Flows that wait when their address becomes another device's wait on there, and are joined with its routes.
func TestHeldFlowsOfANewAlias(t *testing.T) {
	for _, tt := range []struct {
		name string
		tell func(t *testing.T, c *Correlator)
		at   int64
		want JoinStatus
		rib  RIBState
	}{
		{"routes are there", func(t *testing.T, c *Correlator) {
			openFeed(t, c, device2, 2, testNow).tell(testNow, peerUp(locRIB(0)), route(locRIB(0), "10.1.0.0/16", 1, "203.0.113.1"), endOfRIB(locRIB(0)))
		}, testNow, JoinHit, RIBSynced},
		{"it has none and no session comes", func(*testing.T, *Correlator) {}, testNow + 61*second, JoinNoRIB, RIBAbsent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, got := holdBench(t, Config{})
			tt.tell(t, c)
			openFeed(t, c, device1, 1, testNow)
			message(t, c, device1, plainFlows(t, 0, 3), testNow)
			c.SetAliases(map[netip.Addr]netip.Addr{device1: device2})
			if n := c.Totals().HeldFlows; len(*got) != 0 || n != 3 {
				t.Errorf("%d records, %d flows wait, want 3", len(*got), n)
			}
			for _, h := range c.devices[device2].hold.flows {
				if h.flow.Options != c.devices[device2].options.Known(1) {
					t.Error("a flow has the tables of the device that is gone")
				}
			}
			c.Tick(tt.at, 1000)
			if n := flowsIn(t, *got, tt.want, tt.rib); !sameNumbers(n, 0, 3) || c.heldBytes != 0 {
				t.Errorf("flows %v, %d octets still held", n, c.heldBytes)
			}
		})
	}
}

// The flows of both wait in the order in which they came, and the oldest make room.
func TestHeldFlowsOfBothStayInOrder(t *testing.T) {
	c, got := holdBench(t, Config{})
	openFeed(t, c, device1, 1, testNow)
	openFeed(t, c, device2, 2, testNow)
	for i := range 6 {
		message(t, c, []netip.Addr{device1, device2}[i%2], plainFlows(t, i, 1), testNow+int64(i))
	}
	c.cfg.HoldBytes = c.devices[device1].hold.bytes / 3 * 4 // of six
	c.SetAliases(map[netip.Addr]netip.Addr{device1: device2})
	if n := len(*got); n != 2 {
		t.Errorf("%d flows made room, want 2", n)
	}
	c.Tick(testNow+61*second, 1000)
	if n := flowsIn(t, *got, JoinNoRIB, RIBAbsent); !sameNumbers(n, 0, 6) || c.heldBytes != 0 {
		t.Errorf("flows %v, %d octets still held", n, c.heldBytes)
	}
}

// Flows wait for the session of an address that had one when it became another device's, which has none.
func TestANewAliasWithASession(t *testing.T) {
	c, got := holdBench(t, Config{})
	openFeed(t, c, device1, 1, testNow).tell(testNow, peerUp(locRIB(0)), route(locRIB(0), "10.1.0.0/16", 1, "203.0.113.1"), endOfRIB(locRIB(0)))
	message(t, c, device2, plainFlows(t, 0, 1), testNow+second)
	*got = nil
	c.SetAliases(map[netip.Addr]netip.Addr{device1: device2})
	message(t, c, device2, plainFlows(t, 1, 1), testNow+2*second)
	openFeed(t, c, device1, 2, testNow+3*second).tell(testNow+3*second,
		peerUp(locRIB(0)), route(locRIB(0), "10.1.0.0/16", 1, "203.0.113.1"), endOfRIB(locRIB(0)))
	c.Tick(testNow+3*second, 1000)
	if n := flowsIn(t, *got, JoinHit, RIBSynced); !sameNumbers(n, 1, 2) {
		t.Errorf("flows %v", n)
	}
}

// A session of an address that is another device's from now on ends as the one's that it began as, and what it still tells is nobody's.
func TestSessionsOfChangedAliases(t *testing.T) {
	one := func(prefix string) [][]byte {
		return [][]byte{peerUp(locRIB(0)), route(locRIB(0), prefix, 1, "203.0.113.1"), endOfRIB(locRIB(0))}
	}
	alias := map[netip.Addr]netip.Addr{device1: device2}
	for _, tt := range []struct {
		name          string
		before, after map[netip.Addr]netip.Addr
		device        netip.Addr // whose the session is before
		gone          bool       // the device is
	}{
		{"alias no more", alias, nil, device2, false},
		{"alias of another", alias, map[netip.Addr]netip.Addr{device1: device1v6}, device2, false},
		{"alias now", nil, alias, device1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := holdBench(t, Config{})
			c.SetAliases(tt.before)
			old := openFeed(t, c, device1, 1, testNow)
			old.tell(testNow, one("10.1.0.0/16")...)
			c.SetAliases(tt.after)
			for range 2 {
				old.tell(testNow, one("10.2.0.0/16")...)
			}
			next := openFeed(t, c, device1, 2, testNow)
			next.tell(testNow, one("10.3.0.0/16")...)
			old.close(testNow)
			if n := c.Totals().BMPSessions; n != 1 || len(c.strays) != 0 {
				t.Errorf("%d sessions, %d strays; want the new one alone", n, len(c.strays))
			}
			now := c.devices[c.Canonical(device1)]
			if now == nil || now.Sessions() != 1 || now.rib.Routes() != 1 {
				t.Errorf("the address's device has %d sessions and %d routes, want one of each", now.Sessions(), now.rib.Routes())
			}
			was := c.devices[tt.device]
			if tt.gone != (was == nil) {
				t.Fatalf("device %v: %v", tt.device, was)
			}
			if was != nil && (was.Sessions() != 0 || was.rib.Routes() != 1 || was.RIBState() != RIBStale) {
				t.Errorf("the device of before has %d sessions, %d routes, %v", was.Sessions(), was.rib.Routes(), was.RIBState())
			}
			if n := c.Counters().BMP; n.Superseded != 2 {
				t.Errorf("%d routes passed over, want 2", n.Superseded)
			}
		})
	}
}

func TestAliasCandidates(t *testing.T) {
	named := func(c *Correlator, device netip.Addr, session uint64, name string, id netip.Addr) {
		s := openFeed(t, c, device, session, testNow)
		up := bmp.PeerUp{Peer: *globalPeer(0), LocalAddr: ce}
		up.Sent.AS, up.Sent.ID, up.Received.AS, up.Received.ID = 64500, id, 64501, ce
		s.tell(testNow, bmp.AppendInitiation(nil, &bmp.Initiation{SysName: name}), bmp.AppendPeerUp(nil, &up))
	}
	exporterSays := func(c *Correlator, device, exporter netip.Addr) {
		var m ipfix.Builder
		m.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: testNow, Domain: 1})
		m.OptionsTemplate(257, ipfix.Field{ID: 144, Len: 4, Scope: true}, ipfix.Field{ID: 130, Len: 4})
		m.Set(257)
		m.Uint(1, 4)
		m.Addr(exporter)
		message(t, c, device, finish(t, &m), testNow)
	}
	loopback := addr("198.51.100.77")
	tests := []struct {
		name string
		tell func(*Correlator)
		want []AliasCandidate
	}{
		{"nothing alike", func(c *Correlator) {
			named(c, device1, 1, "pe1", device1)
			named(c, device2, 2, "pe2", device2)
		}, nil},
		{"one name", func(c *Correlator) {
			named(c, device1, 1, "pe1", device1)
			named(c, device1v6, 2, "pe1", device2)
		}, []AliasCandidate{{device1v6, device1, whyName}}},
		{"one BGP identifier", func(c *Correlator) {
			named(c, device1, 1, "", loopback)
			named(c, device2, 2, "", loopback)
		}, []AliasCandidate{{device2, device1, whyBGPID}}},
		{"one BGP identifier and two names", func(c *Correlator) {
			named(c, device1, 1, "pe1", loopback)
			named(c, device2, 2, "pe2", loopback)
		}, nil},
		{"exporter names a device with BMP", func(c *Correlator) {
			named(c, loopback, 1, "pe1", loopback)
			exporterSays(c, device1, loopback)
		}, []AliasCandidate{{device1, loopback, whyExporter}}},
		{"exporter names a device that is not here", func(c *Correlator) {
			exporterSays(c, device1, loopback)
		}, []AliasCandidate{{device1, loopback, whyExporter}}},
		{"exporter names itself", func(c *Correlator) {
			exporterSays(c, device1, device1)
		}, nil},
		{"no BGP identifier", func(c *Correlator) {
			named(c, device1, 1, "", netip.IPv4Unspecified())
			named(c, device2, 2, "", netip.IPv4Unspecified())
		}, nil},
		{"three of one name, by address", func(c *Correlator) {
			named(c, device1v6, 1, "pe1", device1v6)
			named(c, device2, 2, "pe1", device2)
			named(c, device1, 3, "pe1", device1)
		}, []AliasCandidate{{device2, device1, whyName}, {device1v6, device1, whyName}}},
		{"an exporter with BMP of its own", func(c *Correlator) {
			named(c, device1, 1, "pe1", device1)
			exporterSays(c, device1, loopback)
		}, nil},
		{"no chains", func(c *Correlator) {
			named(c, loopback, 1, "pe1", loopback)
			named(c, device2, 2, "pe1", device2)
			exporterSays(c, device1, loopback)
		}, []AliasCandidate{{loopback, device2, whyName}}},
		{"known already", func(c *Correlator) {
			c.SetAliases(map[netip.Addr]netip.Addr{device1: loopback})
			exporterSays(c, device1, loopback)
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := holdBench(t, Config{})
			tt.tell(c)
			if got := c.AliasCandidates(); len(got)+len(tt.want) > 0 && !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
