package record

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/ipfix"
)

// schema1 lists every field of schema 1 by type. A name changes here only together with Schema.
var schema1 = map[string][]string{
	"text": {
		"type", "record_id", "device_name", "flow_protocol", "proto_name", "in_if_name", "out_if_name",
		"src_mac", "dst_mac", "ingress_vrf_name", "egress_vrf_name", "vrf_name", "rd",
		"src_origin", "dst_origin", "src_rib", "dst_rib", "join_src", "join_dst", "rib_state", "join_as_of",
	},
	"address": {
		"device", "exporter_addr", "src_addr", "dst_addr", "tunnel_src_addr", "tunnel_dst_addr", "post_nat_src_addr",
		"post_nat_dst_addr", "exporter_next_hop", "exporter_bgp_next_hop", "src_next_hop", "dst_next_hop",
		"src_bgp_peer", "dst_bgp_peer",
	},
	"prefix": {"src_prefix", "dst_prefix"},
	"time": {
		"time_received", "time_exported", "time_flow_start", "time_flow_end", "src_route_time", "dst_route_time",
	},
	"number": {
		"schema", "slot", "observation_domain_id", "sequence_num", "template_id", "src_port", "dst_port", "proto",
		"ip_version", "etype", "ip_tos", "ip_ttl", "ipv6_flow_label", "tcp_flags", "icmp_type", "icmp_code",
		"bytes", "packets", "reverse_bytes", "reverse_packets", "sampling_rate", "in_if", "out_if", "src_vlan", "dst_vlan", "cos", "forwarding_status",
		"mpls_top_label_type", "tunnel_proto", "tunnel_tos", "tunnel_flow_label", "post_nat_src_port",
		"post_nat_dst_port", "nat_event", "flow_end_reason", "flow_direction", "ingress_vrf_id", "egress_vrf_id",
		"exporter_src_as", "exporter_dst_as", "exporter_src_mask", "exporter_dst_mask",
		"src_as", "dst_as", "src_peer_as", "dst_peer_as", "src_local_pref", "dst_local_pref", "src_med", "dst_med",
		"src_path_id", "dst_path_id",
	},
	"numbers": {"mpls_labels", "src_as_path", "dst_as_path", "src_as_set", "dst_as_set"},
	"texts": {
		"srv6_segments", "src_communities", "dst_communities", "src_ext_communities", "dst_ext_communities",
		"src_large_communities", "dst_large_communities",
	},
	"object": {"extra"},
	"switch": {"renormalized"},
}

// complete returns a record that has every field.
func complete() *correlate.Record {
	r := newRandom(5)
	rec := example()
	f := r.flow()
	v4 := netip.MustParseAddr("192.0.2.77")
	f.Src, f.Dst, f.TunnelSrc, f.TunnelDst, f.NATSrc, f.NATDst, f.NextHop, f.BGPNextHop = v4, v4, v4, v4, v4, v4, v4, v4
	f.Has, f.Proto = ^ipfix.FieldSet(0), 17
	f.MPLSLabels, f.SRv6Segments = []uint32{16001, 3}, []netip.Addr{netip.MustParseAddr("2001:db8::5")}
	rec.Flow = f
	rec.Src = rec.Dst
	attrs := *rec.Dst.Match.Attrs
	attrs.ASSet = []uint32{65010, 65011}
	rec.Src.Match.Attrs, rec.Dst.Match.Attrs = &attrs, &attrs
	return rec
}

func TestSchemaFields(t *testing.T) {
	var got map[string]any
	withExtraRecord(t, func(rec *correlate.Record) {
		all := complete()
		all.Flow.Record = rec.Flow.Record
		got = decode(t, NewEncoder(2, WithExtra(), WithRenormalize()).AppendJSON(nil, all))
	})
	known := map[string]bool{}
	for kind, names := range schema1 {
		for _, name := range names {
			known[name] = true
			v, ok := got[name]
			if !ok {
				t.Errorf("%s is missing", name)
			} else if !isKind(kind, v) {
				t.Errorf("%s is %v, want a %s", name, v, kind)
			}
		}
	}
	for name := range got {
		if !known[name] {
			t.Errorf("%s is not in the schema", name)
		}
	}
}

func isKind(kind string, v any) bool {
	text, isText := v.(string)
	var err error
	switch kind {
	case "text":
		return isText && text != ""
	case "address":
		_, err = netip.ParseAddr(text)
	case "prefix":
		_, err = netip.ParsePrefix(text)
	case "time":
		_, err = time.Parse(time.RFC3339Nano, text)
		return err == nil && len(text) == 30 && strings.HasSuffix(text, "Z")
	case "number":
		n, ok := v.(json.Number)
		return ok && !strings.ContainsAny(n.String(), ".eE-")
	case "numbers", "texts":
		list, ok := v.([]any)
		for _, el := range list {
			ok = ok && isKind(strings.TrimSuffix(kind, "s"), el)
		}
		return ok && len(list) > 0
	case "switch":
		return v == true
	case "object":
		_, ok := v.(map[string]any)
		return ok
	}
	return isText && err == nil
}

// TestAbsentFields checks that what is not known is not there, and what a route always has is.
func TestAbsentFields(t *testing.T) {
	rec := example()
	rec.Flow.Has = 0
	rec.DeviceName, rec.InIfName, rec.OutIfName, rec.VRFName, rec.HasRD = "", "", "", "", false
	rec.IngressVRFName, rec.EgressVRFName = "", ""
	attrs := *rec.Src.Match.Attrs
	attrs.ASPath, attrs.Communities, attrs.HasLocalPref, attrs.HasOrigin, attrs.NextHop = nil, nil, false, false, netip.Addr{}
	rec.Src.Match.Attrs = &attrs
	rec.Src.Match.Time = 0
	rec.Dst = correlate.Side{}
	got := decode(t, NewEncoder(0).AppendJSON(nil, rec))
	want := []string{
		"type", "schema", "record_id", "device", "exporter_addr", "slot", "time_received", "time_exported", "flow_protocol",
		"observation_domain_id", "sequence_num", "template_id", "src_prefix", "src_as_path", "src_rib", "join_src",
		"rib_state", "join_as_of",
	}
	for _, name := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is missing", name)
		}
		delete(got, name)
	}
	for name, v := range got {
		t.Errorf("%s is there: %v", name, v)
	}
}
