package compare

import (
	"testing"

	"github.com/telcol/telcol/ipfix"
)

// fields25 is a template as routers send it.
var fields25 = []ipfix.Field{
	{ID: 2, Len: 8},
	{ID: 1, Len: 8},
	{ID: 8, Len: 4},
	{ID: 12, Len: 4},
	{ID: 10, Len: 4},
	{ID: 14, Len: 4},
	{ID: 152, Len: 8},
	{ID: 153, Len: 8},
	{ID: 7, Len: 2},
	{ID: 11, Len: 2},
	{ID: 16, Len: 4},
	{ID: 17, Len: 4},
	{ID: 18, Len: 4},
	{ID: 13, Len: 1},
	{ID: 9, Len: 1},
	{ID: 4, Len: 1},
	{ID: 6, Len: 2},
	{ID: 5, Len: 1},
	{ID: 61, Len: 1},
	{ID: 89, Len: 4},
	{ID: 234, Len: 4},
	{ID: 235, Len: 4},
	{ID: 198, Len: 8},
	{ID: 52, Len: 1},
	{ID: 136, Len: 1},
}

// fields50 has 25 more.
var fields50 = append(fields25[:25:25], []ipfix.Field{
	{ID: 56, Len: 6},
	{ID: 80, Len: 6},
	{ID: 256, Len: 2},
	{ID: 243, Len: 2},
	{ID: 245, Len: 2},
	{ID: 244, Len: 1},
	{ID: 70, Len: 3},
	{ID: 71, Len: 3},
	{ID: 72, Len: 3},
	{ID: 47, Len: 4},
	{ID: 15, Len: 4},
	{ID: 32, Len: 2},
	{ID: 58, Len: 2},
	{ID: 59, Len: 2},
	{ID: 60, Len: 1},
	{ID: 53, Len: 1},
	{ID: 54, Len: 4},
	{ID: 46, Len: 1},
	{ID: 48, Len: 4},
	{ID: 64, Len: 4},
	{ID: 210, Len: 2},
	{ID: 192, Len: 1},
	{ID: 225, Len: 4},
	{ID: 226, Len: 4},
	{ID: 302, Len: 4},
}...)

// records is how many a message of data holds.
const records = 20

// messages gives a message with the template and one with data.
func messages(tb testing.TB, fields []ipfix.Field) (template, data []byte) {
	tb.Helper()
	var b ipfix.Builder
	h := ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: 1_700_000_000e9, Domain: 1}
	finish := func() []byte {
		msg, err := b.Finish()
		if err != nil {
			tb.Fatal(err)
		}
		return msg
	}
	b.Begin(nil, h)
	b.Template(256, fields...)
	template = finish()
	b.Begin(nil, h)
	b.Set(256)
	for i := range records {
		for _, f := range fields {
			switch f.ID {
			case 152, 153:
				b.Uint(1_699_999_990_000+uint64(i), 8)
			case 4:
				b.Uint(6, 1)
			default:
				b.Uint(0x0a000000+uint64(i)*uint64(f.ID), int(f.Len))
			}
		}
	}
	return template, finish()
}
