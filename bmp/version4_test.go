package bmp

import (
	"encoding/binary"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/telcol/telcol/bmp/bgp"
)

// v4Message wraps a body behind a per-peer header into a version 4 Route Monitoring.
func v4Message(body []byte) []byte {
	b, start := openPeer(nil, TypeRouteMonitoring, &peer4)
	b[0] = Version4
	return finish(append(b, body...), start)
}

func v4TLV(typ, index uint16, value []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, typ)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return append(binary.BigEndian.AppendUint16(b, index), value...)
}

func TestVersion4(t *testing.T) {
	update := updateMessage(t, "400101 00 40020a 0202 0000fbf0 0000fbf1 400304 c0000201", "18 c00002")
	group, vrf := v4TLV(4, 0x8001, []byte{0, 0, 0, 1}), v4TLV(5, 0, []byte("A2"))
	vendor := v4TLV(0x8001, 0, []byte{0, 0, 0, 9, 1})
	tests := []struct {
		name     string
		body     []byte
		unknown  uint64
		trailing uint64
	}{
		{"update in its tlv", v4TLV(7, 0, update), 0, 0},
		{"tlvs around it", slices.Concat(group, vrf, v4TLV(7, 0, update), vendor), 2, 0},
		{"other code point", v4TLV(2, 0, update), 0, 0},
		{"update first, tlvs behind", slices.Concat(update, vrf, group), 1, 0},
		{"a second update", slices.Concat(v4TLV(7, 0, update), v4TLV(7, 0, updateMessage(t, "", ""))), 1, 0},
		{"tlv behind is cut", slices.Concat(v4TLV(7, 0, update), vrf[:7]), 0, 1},
		{"update alone", update, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSession(Config{})
			m := mustDecode[*RouteMonitoring](t, s, v4Message(tt.body))
			if len(m.Announced) != 1 || m.Announced[0].NLRI[0].Prefix != prefix("192.0.2.0/24") {
				t.Errorf("got %+v", m)
			}
			if c := s.Counters(); c.UnknownTLVs != tt.unknown || c.Trailing != tt.trailing || len(m.TLVs) != int(tt.unknown) {
				t.Errorf("tlvs %v, counters %+v", m.TLVs, c)
			}
		})
	}
}

// TLVs are of their message only, and tell which route they are about.
func TestVersion4KeepsTLVs(t *testing.T) {
	update := updateMessage(t, "400101 00 40020a 0202 0000fbf0 0000fbf1 400304 c0000201", "18 c00002")
	s := NewSession(Config{})
	m := mustDecode[*RouteMonitoring](t, s, v4Message(slices.Concat(v4TLV(7, 0, update), v4TLV(5, 1, []byte("A2")))))
	if want := []IndexedTLV{{Type: 5, Index: 1, Value: []byte("A2")}}; !reflect.DeepEqual(m.TLVs, want) {
		t.Errorf("got %v, want %v", m.TLVs, want)
	}
	if m := mustDecode[*RouteMonitoring](t, s, routeMessage(t, &peer4, "", "")); len(m.TLVs) != 0 {
		t.Errorf("tlvs %v in a message of version 3", m.TLVs)
	}
}

func TestVersion4Bad(t *testing.T) {
	update := updateMessage(t, "", "")
	tests := []struct {
		name string
		body []byte
		want error
	}{
		{"nothing", nil, ErrPDU},
		{"no update", v4TLV(5, 0, []byte("A2")), ErrPDU},
		{"tlv cut", v4TLV(7, 0, update)[:20], ErrShort},
		{"update cut", update[:len(update)-1], ErrShort},
		{"tlv of the update holds something else", v4TLV(7, 0, []byte{1, 2}), bgp.ErrMessage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := NewSession(Config{}).Decode(v4Message(tt.body))
			if !errors.Is(err, tt.want) || m == nil {
				t.Errorf("got %+v, %v; want %v", m, err, tt.want)
			}
		})
	}
}
