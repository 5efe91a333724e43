package record

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/correlate/rib"
)

// load is what a worker sees: messages of 20 records, whose routes come from a table of attribute sets. As in a worker
// the flows are at hand when they are encoded, and the attributes are wherever the table has put them.
type load struct {
	records []correlate.Record
	pool    []*rib.Attrs
	ids     []rib.AttrID
	next    int
}

// newLoad makes records whose attributes are drawn evenly from so many sets, which is as bad as it gets: traffic has
// favourites.
func newLoad(sets int) *load {
	r := newRandom(13)
	l := &load{records: make([]correlate.Record, 200), pool: make([]*rib.Attrs, sets), ids: make([]rib.AttrID, 1<<16)}
	for i := range l.pool {
		a := *example().Dst.Match.Attrs
		a.ASPath = []uint32{64496, r.Uint32(), r.Uint32(), r.Uint32N(65000)}[:3+r.IntN(2)]
		a.Communities = []uint32{r.Uint32(), r.Uint32(), r.Uint32(), r.Uint32()}[:r.IntN(5)]
		l.pool[i] = &a
	}
	for i := range l.ids {
		l.ids[i] = rib.AttrID(r.IntN(sets))
	}
	v4 := func() netip.Addr {
		return netip.AddrFrom4([4]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())})
	}
	for i := range l.records {
		rec := example()
		f := rec.Flow
		f.Src, f.Dst, f.SrcPort, f.Bytes = v4(), v4(), uint16(r.Uint32()), uint64(r.Uint32()>>8)
		f.Sequence, f.Position = uint32(i/20*20), uint32(i%20)
		f.Start += r.Int64N(5 * nanosPerSecond)
		f.End = f.Start + r.Int64N(5*nanosPerSecond)
		rec.Src.Match.Time -= r.Int64N(3600 * nanosPerSecond)
		rec.Dst.Match.Time -= r.Int64N(3600 * nanosPerSecond)
		l.records[i] = *rec
	}
	return l
}

// record returns the next record.
func (l *load) record() *correlate.Record {
	r := &l.records[l.next%len(l.records)]
	for i, m := range [...]*rib.Match{&r.Src.Match, &r.Dst.Match} {
		m.Attr = l.ids[(2*l.next+i)%len(l.ids)]
		m.Attrs = l.pool[m.Attr]
	}
	l.next++
	return r
}

// tell tells the encoder of the routes of the next record, as the join does.
func (l *load) tell(e *Encoder) {
	for i := range 2 {
		e.Ahead(l.ids[(2*l.next+i)%len(l.ids)])
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	for _, sets := range []int{256, 20000, 65536} {
		b.Run(fmt.Sprintf("sets=%d", sets), func(b *testing.B) {
			l := newLoad(sets)
			e := NewEncoder(3)
			buf := make([]byte, 0, 4096)
			for range l.ids {
				buf = e.AppendJSON(buf[:0], l.record())
			}
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				r := l.record()
				l.tell(e)
				buf = e.AppendJSON(buf[:0], r)
			}
		})
	}
}

// BenchmarkEncodingJSON writes the same fields from a plain struct: the yardstick.
func BenchmarkEncodingJSON(b *testing.B) {
	var v plainRecord
	if err := json.Unmarshal(NewEncoder(3).AppendJSON(nil, example()), &v); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		out, err := json.Marshal(&v)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(out)))
	}
}

// plainRecord has the fields of example, as one would write them for encoding/json.
type plainRecord struct {
	Type          string     `json:"type"`
	Schema        int        `json:"schema"`
	RecordID      string     `json:"record_id"`
	Device        netip.Addr `json:"device"`
	DeviceName    string     `json:"device_name,omitempty"`
	Exporter      netip.Addr `json:"exporter_addr"`
	Slot          int        `json:"slot"`
	Received      string     `json:"time_received"`
	Exported      string     `json:"time_exported"`
	FlowProtocol  string     `json:"flow_protocol"`
	Domain        uint32     `json:"observation_domain_id"`
	Sequence      uint32     `json:"sequence_num"`
	TemplateID    uint16     `json:"template_id"`
	Start         string     `json:"time_flow_start,omitempty"`
	End           string     `json:"time_flow_end,omitempty"`
	Src           netip.Addr `json:"src_addr"`
	Dst           netip.Addr `json:"dst_addr"`
	SrcPort       *uint16    `json:"src_port,omitempty"`
	DstPort       *uint16    `json:"dst_port,omitempty"`
	Proto         *uint8     `json:"proto,omitempty"`
	ProtoName     string     `json:"proto_name,omitempty"`
	IPVersion     *uint8     `json:"ip_version,omitempty"`
	EtherType     *uint16    `json:"etype,omitempty"`
	TOS           *uint8     `json:"ip_tos,omitempty"`
	TTL           *uint8     `json:"ip_ttl,omitempty"`
	TCPFlags      *uint16    `json:"tcp_flags,omitempty"`
	Bytes         *uint64    `json:"bytes,omitempty"`
	Packets       *uint64    `json:"packets,omitempty"`
	SamplingRate  *uint32    `json:"sampling_rate,omitempty"`
	InIf          *uint32    `json:"in_if,omitempty"`
	OutIf         *uint32    `json:"out_if,omitempty"`
	InIfName      string     `json:"in_if_name,omitempty"`
	OutIfName     string     `json:"out_if_name,omitempty"`
	SrcVLAN       *uint16    `json:"src_vlan,omitempty"`
	Forwarding    *uint32    `json:"forwarding_status,omitempty"`
	EndReason     *uint8     `json:"flow_end_reason,omitempty"`
	Direction     *uint8     `json:"flow_direction,omitempty"`
	IngressVRF    *uint32    `json:"ingress_vrf_id,omitempty"`
	EgressVRF     *uint32    `json:"egress_vrf_id,omitempty"`
	IngressName   string     `json:"ingress_vrf_name,omitempty"`
	EgressName    string     `json:"egress_vrf_name,omitempty"`
	VRFName       string     `json:"vrf_name,omitempty"`
	RD            string     `json:"rd,omitempty"`
	BGPNextHop    netip.Addr `json:"exporter_bgp_next_hop"`
	SrcMask       *uint8     `json:"exporter_src_mask,omitempty"`
	SrcPrefix     string     `json:"src_prefix,omitempty"`
	SrcAS         *uint32    `json:"src_as,omitempty"`
	SrcPeerAS     *uint32    `json:"src_peer_as,omitempty"`
	SrcASPath     []uint32   `json:"src_as_path"`
	SrcComms      []string   `json:"src_communities,omitempty"`
	SrcNextHop    netip.Addr `json:"src_next_hop"`
	SrcLocalPref  *uint32    `json:"src_local_pref,omitempty"`
	SrcOrigin     string     `json:"src_origin,omitempty"`
	SrcRIB        string     `json:"src_rib,omitempty"`
	SrcRouteTime  string     `json:"src_route_time,omitempty"`
	DstPrefix     string     `json:"dst_prefix,omitempty"`
	DstAS         *uint32    `json:"dst_as,omitempty"`
	DstPeerAS     *uint32    `json:"dst_peer_as,omitempty"`
	DstASPath     []uint32   `json:"dst_as_path"`
	DstComms      []string   `json:"dst_communities,omitempty"`
	DstExtComms   []string   `json:"dst_ext_communities,omitempty"`
	DstLargeComms []string   `json:"dst_large_communities,omitempty"`
	DstNextHop    netip.Addr `json:"dst_next_hop"`
	DstLocalPref  *uint32    `json:"dst_local_pref,omitempty"`
	DstMED        *uint32    `json:"dst_med,omitempty"`
	DstOrigin     string     `json:"dst_origin,omitempty"`
	DstRIB        string     `json:"dst_rib,omitempty"`
	DstPeer       netip.Addr `json:"dst_bgp_peer"`
	DstPathID     *uint32    `json:"dst_path_id,omitempty"`
	DstRouteTime  string     `json:"dst_route_time,omitempty"`
	JoinSrc       string     `json:"join_src"`
	JoinDst       string     `json:"join_dst"`
	RIBState      string     `json:"rib_state"`
	JoinAsOf      string     `json:"join_as_of"`
}

func TestAppendJSONDoesNotAllocate(t *testing.T) {
	for _, sets := range []int{256, 20000} {
		t.Run(fmt.Sprintf("sets=%d", sets), func(t *testing.T) {
			l := newLoad(sets)
			e := NewEncoder(3, WithRouteCache(1024))
			buf := make([]byte, 0, 4096)
			const records = 10_000
			round := func() {
				for range records {
					buf = e.AppendJSON(buf[:0], l.record())
				}
			}
			round()
			if got := testing.AllocsPerRun(2, round); got > 0 {
				t.Errorf("%v allocations in %d records", got, records)
			}
		})
	}
}
