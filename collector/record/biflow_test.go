package record

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/telcol/telcol/ipfix"
)

// TestBiflow holds what SCHEMA.md says of a record with both directions of a flow.
func TestBiflow(t *testing.T) {
	const reverse = 29305
	var b ipfix.Builder
	b.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX})
	b.Template(256, ipfix.Field{ID: 34, Len: 4}, ipfix.Field{ID: 1, Len: 8}, ipfix.Field{ID: 1, PEN: reverse, Len: 8},
		ipfix.Field{ID: 2, PEN: reverse, Len: 4}, ipfix.Field{ID: 6, PEN: reverse, Len: 2}, ipfix.Field{ID: 232, Len: 8})
	b.Set(256)
	b.Uint(256, 4)
	b.Uint(1500, 8)
	b.Uint(100, 8)
	b.Uint(2, 4)
	b.Uint(18, 2)
	b.Uint(77, 8)
	msg, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		opts []Option
		want map[string]any
	}{
		{"as exported", nil, map[string]any{"bytes": json.Number("1500"), "reverse_bytes": json.Number("100"), "reverse_packets": json.Number("2")}},
		{"multiplied", []Option{WithRenormalize()}, map[string]any{
			"bytes": json.Number("384000"), "reverse_bytes": json.Number("25600"), "reverse_packets": json.Number("512"), "renormalized": true,
		}},
		{"with the rest", []Option{WithExtra()}, map[string]any{
			"bytes": json.Number("1500"), "reverse_bytes": json.Number("100"), "reverse_packets": json.Number("2"),
			"extra": map[string]any{"reverseTcpControlBits": json.Number("18"), "responderOctets": json.Number("77")},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			model, err := ipfix.NewModel()
			if err != nil {
				t.Fatal(err)
			}
			records := 0
			err = ipfix.NewSession(model, ipfix.Config{}, nil).Decode(msg, 0, flowFunc(func(f *ipfix.Flow) {
				records++
				rec := example()
				rec.Flow = f
				got := decode(t, NewEncoder(0, tc.opts...).AppendJSON(nil, rec))
				for _, name := range []string{"bytes", "packets", "reverse_bytes", "reverse_packets", "renormalized", "extra"} {
					if !reflect.DeepEqual(got[name], tc.want[name]) {
						t.Errorf("%s: got %v, want %v", name, got[name], tc.want[name])
					}
				}
			}))
			if err != nil || records != 1 {
				t.Errorf("%d records, error %v; want one", records, err)
			}
		})
	}
}
