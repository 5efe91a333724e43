package ipfix

import (
	"strings"
	"testing"

	"github.com/vmware/go-ipfix/pkg/entities"
)

func TestModel(t *testing.T) {
	m, err := NewModel(
		Element{232, 2011, "hwFlowAction", entities.Unsigned16},
		Element{530, 0, "pathDelay", entities.Unsigned64},
	)
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		pen  uint32
		id   uint16
		name string
		typ  entities.IEDataType
	}{
		{0, 1, "octetDeltaCount", entities.Unsigned64},
		{0, 90, "mplsVpnRouteDistinguisher", entities.OctetArray},
		{0, 236, "VRFname", entities.String},
		{0, 531, "pathDelayMinDeltaMicroseconds", entities.Unsigned32},
		{0, 530, "pathDelay", entities.Unsigned64},
		{29305, 1, "reverseOctetDeltaCount", entities.Unsigned64},
		{2011, 232, "hwFlowAction", entities.Unsigned16},
	}
	for _, c := range cases {
		e := m.Lookup(c.pen, c.id)
		if e == nil || e.Name != c.name || e.DataType != c.typ {
			t.Errorf("%d.%d: got %+v", c.pen, c.id, e)
		}
	}
	if e := m.Lookup(2011, 233); e != nil {
		t.Errorf("unknown: got %+v", e)
	}
	for id := uint16(288); id <= 290; id++ {
		if name := m.Lookup(0, id).Name; strings.TrimSpace(name) != name {
			t.Errorf("name %q", name)
		}
	}
}

func TestModelErrors(t *testing.T) {
	cases := map[string][]Element{
		"no name":   {{1, 2, "", entities.String}},
		"id":        {{0x8000, 2, "a", entities.String}},
		"type":      {{1, 2, "a", entities.InvalidDataType}},
		"same id":   {{1, 2, "a", entities.String}, {1, 2, "b", entities.String}},
		"same name": {{1, 2, "a", entities.String}, {2, 2, "a", entities.String}},
	}
	for name, further := range cases {
		if _, err := NewModel(further...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := NewModel(Element{1, 2, "a", entities.String}, Element{1, 3, "a", entities.String}); err != nil {
		t.Errorf("two enterprises: %v", err)
	}
	if typ, err := ParseType("unsigned32"); typ != entities.Unsigned32 || err != nil {
		t.Errorf("got %v, %v", typ, err)
	}
	if _, err := ParseType("unsigned33"); err == nil {
		t.Error("no error")
	}
}

func TestTypeName(t *testing.T) {
	for _, typ := range []entities.IEDataType{entities.OctetArray, entities.Unsigned8, entities.Float64, entities.String, entities.Ipv6Address, entities.SubTemplateMultiList} {
		name := TypeName(typ)
		if back, err := ParseType(name); err != nil || back != typ {
			t.Errorf("type %d is called %q, which is type %d (%v)", typ, name, back, err)
		}
	}
	if got := TypeName(unsigned256); got != "unsigned256" {
		t.Errorf("unsigned256 is called %q", got)
	}
}
