package record

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/telcol/telcol/ipfix"
)

func TestRenormalize(t *testing.T) {
	const both = ipfix.FieldBytes | ipfix.FieldPackets
	for _, tc := range []struct {
		name           string
		has            ipfix.FieldSet
		bytes, packets uint64
		rate           uint32
		opts           []Option
		want           map[string]any
	}{
		{
			"as exported", both | ipfix.FieldSamplingRate, 1500, 3, 256, nil,
			map[string]any{"bytes": "1500", "packets": "3", "sampling_rate": "256", "renormalized": nil},
		},
		{
			"multiplied", both | ipfix.FieldSamplingRate, 1500, 3, 256,
			[]Option{WithRenormalize()},
			map[string]any{"bytes": "384000", "packets": "768", "sampling_rate": "256", "renormalized": true},
		},
		{
			"unsampled", both | ipfix.FieldSamplingRate, 1500, 3, 1,
			[]Option{WithRenormalize()},
			map[string]any{"bytes": "1500", "packets": "3", "sampling_rate": "1", "renormalized": true},
		},
		{
			"rate unknown", both, 1500, 3, 0,
			[]Option{WithRenormalize()},
			map[string]any{"bytes": "1500", "packets": "3", "sampling_rate": nil, "renormalized": nil},
		},
		{
			"too large", both | ipfix.FieldSamplingRate, math.MaxUint64 / 2, 3, 3,
			[]Option{WithRenormalize()},
			map[string]any{"bytes": "18446744073709551615", "packets": "9", "renormalized": true},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rec := example()
			f := *rec.Flow
			f.Has, f.Bytes, f.Packets, f.SamplingRate = tc.has, tc.bytes, tc.packets, tc.rate
			rec.Flow = &f
			got := decode(t, NewEncoder(0, tc.opts...).AppendJSON(nil, rec))
			for name, want := range tc.want {
				v := got[name]
				if n, ok := v.(json.Number); ok {
					v = n.String()
				}
				if v != want {
					t.Errorf("%s: got %v, want %v", name, v, want)
				}
			}
		})
	}
}
