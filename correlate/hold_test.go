package correlate

import (
	"testing"
	"time"

	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// holdBench is a Correlator that waits for VRF options, and what it emitted.
func holdBench(t *testing.T, cfg Config) (*Correlator, *[]Record) {
	t.Helper()
	var got []Record
	if cfg.NewWait == 0 {
		cfg.NewWait = -1
	}
	c, err := New(cfg, func(r *Record) {
		k := *r
		k.Flow = r.Flow.Clone()
		got = append(got, k)
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, &got
}

// vrfFlows is a message with the template and a flow of each VRF id; its bytes field numbers them.
func vrfFlows(t *testing.T, ids ...uint32) []byte {
	t.Helper()
	var m ipfix.Builder
	m.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: testNow, Domain: 1})
	m.Template(256, ipfix.Field{ID: 234, Len: 4}, ipfix.Field{ID: 1, Len: 4}, ipfix.Field{ID: 8, Len: 4}, ipfix.Field{ID: 12, Len: 4})
	m.Set(256)
	for i, id := range ids {
		m.Uint(uint64(id), 4)
		m.Uint(uint64(i), 4)
		m.Addr(addr("10.1.2.3"))
		m.Addr(addr("10.1.3.4"))
	}
	return finish(t, &m)
}

func vrfOptions(t *testing.T, id uint32) []byte {
	t.Helper()
	return vrfOptionsOf(t, id, rdA)
}

func vrfOptionsOf(t *testing.T, id uint32, rd rib.RD) []byte {
	t.Helper()
	var m ipfix.Builder
	m.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: testNow, Domain: 1})
	m.OptionsTemplate(257, ipfix.Field{ID: 234, Len: 4, Scope: true}, ipfix.Field{ID: 90, Len: 8})
	m.Set(257)
	m.Uint(uint64(id), 4)
	m.Uint(uint64(rd), 8)
	return finish(t, &m)
}

func finish(t *testing.T, m *ipfix.Builder) []byte {
	t.Helper()
	msg, err := m.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func TestFlowsWaitForTheirVRF(t *testing.T) {
	c, got := holdBench(t, Config{})
	if err := c.Message(device1, vrfFlows(t, 7, 0, 8, 7), testNow); err != nil {
		t.Fatal(err)
	}
	if len(*got) != 1 || (*got)[0].Flow.Bytes != 1 {
		t.Fatalf("%d records before the options, want the one without a VRF", len(*got))
	}
	if err := c.Message(device1, vrfOptions(t, 7), testNow+1e9); err != nil {
		t.Fatal(err)
	}
	if len(*got) != 3 || (*got)[1].Flow.Bytes != 0 || (*got)[2].Flow.Bytes != 3 {
		t.Fatalf("%d records after the options of VRF 7, want its two in order too", len(*got))
	}
	r := (*got)[2]
	if r.RD != rdA || r.Src.Join != JoinNoRIB || r.Device != device1 || r.Exporter != device1 || r.Received != testNow {
		t.Errorf("record %+v", r)
	}
	c.Tick(testNow+int64(6*time.Second), 1000)
	if len(*got) != 4 || (*got)[3].Src.Join != JoinUnknownVRF {
		t.Fatalf("%d records after the wait, want the one of VRF 8 as unknown", len(*got))
	}
	c.Message(device1, vrfFlows(t, 8), testNow+int64(7*time.Second))
	if len(*got) != 5 {
		t.Error("a flow waits again for what did not come")
	}
	n := c.Counters()
	if n.Held != [numWaits]uint64{waitVRF: 3} || n.Quality.Ended != [numHoldEnds]uint64{endKnown: 2, endTimedOut: 1} {
		t.Errorf("held %v, ended %v", n.Held, n.Quality.Ended)
	}
	if n := c.Totals(); n.HeldFlows != 0 || c.heldBytes != 0 {
		t.Errorf("%d flows, %d octets still held", n.HeldFlows, c.heldBytes)
	}
}

func TestHeldFlowsAreBounded(t *testing.T) {
	size := new(ipfix.Flow).Size() + 64
	c, got := holdBench(t, Config{HoldBytes: 3 * size, HoldTotalBytes: 4 * size})
	c.Message(device1, vrfFlows(t, 7, 7, 7, 7, 7), testNow)
	if len(*got) != 2 || (*got)[0].Flow.Bytes != 0 {
		t.Errorf("%d records, want the two oldest", len(*got))
	}
	c.Message(device2, vrfFlows(t, 7, 7), testNow)
	if len(*got) != 3 || (*got)[2].Device != device2 {
		t.Errorf("%d records, want one of the second device", len(*got))
	}
	c.Release()
	if e := c.Counters().Quality.Ended; len(*got) != 7 || e[endStopped] != 4 || e[endFull] != 3 || c.heldBytes != 0 {
		t.Errorf("%d records, %v, %d octets", len(*got), e, c.heldBytes)
	}
}

func TestHoldCanBeOff(t *testing.T) {
	c, got := holdBench(t, Config{VRFWait: -1})
	c.Message(device1, vrfFlows(t, 7), testNow)
	if len(*got) != 1 || (*got)[0].Src.Join != JoinUnknownVRF {
		t.Errorf("%d records", len(*got))
	}
}
