package collector

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/telcol/telcol/ipfix"
)

// TestElementsOfTheConfiguration names and types an element of an enterprise by the settings, and finds it so in the record, beside one
// that nobody knows and a list.
func TestElementsOfTheConfiguration(t *testing.T) {
	r := startTest(t, func(c *Config) {
		c.Record.Extra = ExtraAll
		c.IPFIX.Elements = []Element{
			{Name: "tenantProtocol", PEN: 6876, ID: 888, Type: "unsigned8"},
			{Name: "tenantSourceIPv4", PEN: 6876, ID: 889, Type: "ipv4Address"},
			{Name: "tunnelName", PEN: 6876, ID: 900, Type: "string"},
		}
	})
	var b ipfix.Builder
	b.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: time.Now().UnixNano(), Domain: 1})
	b.Template(256, ipfix.Field{ID: 1, Len: 4}, ipfix.Field{PEN: 6876, ID: 888, Len: 1}, ipfix.Field{PEN: 6876, ID: 889, Len: 4},
		ipfix.Field{PEN: 6876, ID: 900, Len: 0xffff}, ipfix.Field{PEN: 6876, ID: 901, Len: 3}, ipfix.Field{ID: 291, Len: 0xffff},
		ipfix.Field{ID: 32000, Len: 2})
	b.Set(256)
	b.Uint(1000, 4)
	b.Uint(6, 1)
	b.Addr(netip.MustParseAddr("192.0.2.7"))
	b.Variable([]byte("vx-1"))
	b.Uint(0xabcdef, 3)
	b.Variable([]byte{3, 0, 10, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6}) // all of: interfaces 5 and 6
	b.Uint(1, 2)
	msg, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	r.send(t, msg)
	waitFor(t, "the record", func() bool { return len(r.stdout.String()) > 0 })
	r.stop(t)
	var got struct {
		Bytes int            `json:"bytes"`
		Extra map[string]any `json:"extra"`
	}
	if err := json.Unmarshal([]byte(r.stdout.lines()[0]), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"tenantProtocol": 6.0, "tenantSourceIPv4": "192.0.2.7", "tunnelName": "vx-1", "6876.901": "0xabcdef", "0.32000": "0x0001",
		"basicList": map[string]any{"semantic": "allOf", "element": "ingressInterface", "values": []any{5.0, 6.0}},
	}
	if got.Bytes != 1000 || !reflect.DeepEqual(got.Extra, want) {
		t.Errorf("got %v and %v, want %v", got.Bytes, got.Extra, want)
	}
}
