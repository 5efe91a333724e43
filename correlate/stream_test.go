package correlate

import (
	"bytes"
	"maps"
	"net/netip"
	"testing"
	"time"

	"github.com/telcol/telcol/ipfix"
)

// streamMessage has a template of one field of so many octets, if any, and a record of it.
func streamMessage(t *testing.T, octets int, template bool) []byte {
	t.Helper()
	var b ipfix.Builder
	b.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: testNow, Domain: 1})
	if template {
		b.Template(256, ipfix.Field{ID: 1, Len: uint16(octets)})
	}
	b.Set(256)
	b.Uint(7, octets)
	return finish(t, &b)
}

// portBench counts the bytes of flows.
func portBench(t *testing.T, byPort bool) (c *Correlator, sum func() uint64) {
	t.Helper()
	var total uint64
	c, err := New(Config{VRFWait: -1, RIBWait: -1, NewWait: -1, PortInTemplateKey: byPort}, func(r *Record) { total += r.Flow.Bytes })
	if err != nil {
		t.Fatal(err)
	}
	return c, func() uint64 { n := total; total = 0; return n }
}

func TestTemplatesByPort(t *testing.T) {
	for _, byPort := range []bool{false, true} {
		c, sum := portBench(t, byPort)
		from := func(port uint16, msg []byte) {
			if err := c.MessageFrom(netip.AddrPortFrom(device1, port), msg, testNow); err != nil {
				t.Error(err)
			}
		}
		from(1000, streamMessage(t, 4, true))
		from(2000, streamMessage(t, 4, false))
		got, want := sum(), uint64(14)
		if byPort {
			want = 7 // the second port has no template
		}
		if got != want {
			t.Errorf("port in the key: %v: got %d, want %d", byPort, got, want)
		}
		if n := c.Counters().IPFIX.HeldSets; n != map[bool]uint64{true: 1}[byPort] {
			t.Errorf("port in the key: %v: %d sets held", byPort, n)
		}
	}
}

func TestPortsAreBounded(t *testing.T) {
	c, _ := portBench(t, true)
	for i := range 3 * maxPorts {
		if err := c.MessageFrom(netip.AddrPortFrom(device1, uint16(1+i)), streamMessage(t, 4, true), testNow+int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	d := c.devices[device1]
	if len(d.streams) != maxPorts || d.streams[Stream{Port: 3 * maxPorts}] == nil {
		t.Errorf("%d ports", len(d.streams))
	}
	if n := c.Counters().IPFIX.DataRecords; n != 3*maxPorts {
		t.Errorf("%d records counted", n)
	}
}

func TestPortsSurviveARestart(t *testing.T) {
	a, _ := portBench(t, true)
	for port := range uint16(3) {
		a.MessageFrom(netip.AddrPortFrom(device1, 1+port), streamMessage(t, 4, true), testNow)
	}
	a.StreamMessage(device1, Stream{Conn: 1}, streamMessage(t, 4, true), testNow)
	var state []byte
	a.Unsaved(testNow, 10, func(_ netip.Addr, s []byte) { state = bytes.Clone(s) })
	for _, byPort := range []bool{true, false} {
		b, sum := portBench(t, byPort)
		if err := b.Restore(device1, state, testNow); err != nil {
			t.Fatal(err)
		}
		for port := range uint16(3) {
			b.MessageFrom(netip.AddrPortFrom(device1, 1+port), streamMessage(t, 4, false), testNow)
		}
		b.StreamMessage(device1, Stream{Conn: 1}, streamMessage(t, 4, false), testNow)
		if got, want := sum(), map[bool]uint64{true: 21}[byPort]; got != want {
			t.Errorf("port in the key: %v: got %d, want %d", byPort, got, want)
		}
	}
}

// TestConnectionsHaveTheirTemplates keeps apart what two connections and the datagrams of a device say, shares what options tell, and
// forgets a connection with its end.
func TestConnectionsHaveTheirTemplates(t *testing.T) {
	c, sum := portBench(t, false)
	say := func(conn uint64, octets int, template bool) uint64 {
		t.Helper()
		if err := c.StreamMessage(device1, Stream{Conn: conn}, streamMessage(t, octets, template), testNow); err != nil {
			t.Error(err)
		}
		return sum()
	}
	say(0, 4, true)
	say(1, 8, true)
	say(2, 2, true)
	for conn, octets := range map[uint64]int{0: 4, 1: 8, 2: 2} {
		if got := say(conn, octets, false); got != 7 {
			t.Errorf("connection %d: got %d", conn, got)
		}
	}
	c.StreamMessage(device1, Stream{Conn: 2}, vrfOptions(t, 5), testNow)
	if d := c.devices[device1]; d.options.Len() == 0 || !d.connected() {
		t.Error("a connection told options, which the device does not have")
	}
	c.StreamEnded(device1, Stream{Conn: 1})
	if got := say(1, 8, false); got != 0 {
		t.Errorf("after the end: got %d", got)
	}
	c.StreamEnded(device1, Stream{Conn: 1})
	c.StreamEnded(device1, Stream{Conn: 2})
	n := c.Counters().IPFIX
	if n.DataRecords != 6 || n.EndedSets != 1 || n.TemplatesLearnt != 4 {
		t.Errorf("got %+v", n)
	}
	if d := c.devices[device1]; len(d.streams) > 0 || d.connected() {
		t.Error("connections left")
	}
}

// TestWhatADeviceHasSaid looks at the templates and sequence numbers of all transport sessions of a device.
func TestWhatADeviceHasSaid(t *testing.T) {
	c, _ := portBench(t, false)
	c.StreamMessage(device1, Stream{}, streamMessage(t, 4, true), testNow)
	c.StreamMessage(device1, Stream{Conn: 5}, streamMessage(t, 8, true), testNow+1)
	c.StreamMessage(device1, Stream{Conn: 5}, streamMessage(t, 8, false), testNow+2)
	d := c.devices[device1]
	lens := map[Stream]uint16{}
	for s, tmpl := range d.Templates() {
		lens[s] = tmpl.Fields[0].Len
		if want := testNow + int64(s.Conn/5); tmpl.Seen() != want {
			t.Errorf("%v: seen %d, want %d", s, tmpl.Seen(), want)
		}
	}
	messages := map[Stream]uint64{}
	for s, domain := range d.Sequences() {
		messages[s] = domain.Messages
		if domain.ID != 1 || domain.Templates != 1 {
			t.Errorf("%v: %+v", s, domain)
		}
	}
	if !maps.Equal(lens, map[Stream]uint16{{}: 4, {Conn: 5}: 8}) || !maps.Equal(messages, map[Stream]uint64{{}: 1, {Conn: 5}: 2}) {
		t.Errorf("templates %v, messages %v", lens, messages)
	}
}

// Over TCP templates are sent once and live as long as their connection; a withdrawal cannot overtake its data there, and counts. Over UDP
// the lifetime counts, and the setting that says to ignore withdrawals.
func TestTemplatesOfConnectionsDoNotAge(t *testing.T) {
	for _, tc := range []struct {
		name           string
		stream         Stream
		aged, withdraw bool // the template is there after its lifetime, and after its withdrawal
	}{{"datagrams", Stream{}, false, true}, {"a connection", Stream{Conn: 1}, true, false}} {
		t.Run(tc.name, func(t *testing.T) {
			c, sum := portBench(t, false)
			c.cfg.IPFIX.TemplateAge, c.cfg.IPFIX.IgnoreWithdrawals = time.Hour, true
			say := func(msg []byte, now int64) uint64 {
				t.Helper()
				if err := c.StreamMessage(device1, tc.stream, msg, now); err != nil {
					t.Error(err)
				}
				return sum()
			}
			say(streamMessage(t, 4, true), testNow)
			later := testNow + int64(2*time.Hour)
			c.Tick(later, 1000)
			if known := say(streamMessage(t, 4, false), later) > 0; known != tc.aged {
				t.Errorf("known after its lifetime: %v", known)
			}
			say(streamMessage(t, 4, true), later)
			var b ipfix.Builder
			b.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: testNow, Domain: 1})
			b.Withdraw(256, false)
			say(finish(t, &b), later)
			if known := say(streamMessage(t, 4, false), later) > 0; known != tc.withdraw {
				t.Errorf("known after its withdrawal: %v", known)
			}
		})
	}
}
