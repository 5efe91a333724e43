package ipfix

import (
	"fmt"
	"strings"
	"sync"

	"github.com/vmware/go-ipfix/pkg/entities"
	"github.com/vmware/go-ipfix/pkg/registry"
)

// Enterprise numbers with a meaning of their own.
const (
	enterpriseIANA    = 0
	enterpriseReverse = 29305 // reverse direction of an IANA element, RFC 5103
	enterpriseHuawei  = 2011
)

// Element is one information element: a number, within an enterprise or in the IANA registry (PEN 0), with a
// name and an abstract type.
type Element struct {
	ID   uint16
	PEN  uint32
	Name string
	Type entities.IEDataType
}

// elementKey identifies an element.
type elementKey struct {
	pen uint32
	id  uint16
}

// Model is an information model: the elements of the IANA registry and those added to it. It does not change after
// NewModel and may be used by any number of goroutines.
type Model struct {
	elements map[elementKey]*entities.InfoElement
}

// NewModel returns the model of go-ipfix's registry with further elements. A further element may replace a known one;
// two of the same number or the same name within an enterprise are an error.
func NewModel(further ...Element) (*Model, error) {
	m := &Model{elements: make(map[elementKey]*entities.InfoElement, len(further))}
	names := make(map[Element]bool, len(further))
	for _, e := range further {
		key := elementKey{e.PEN, e.ID}
		switch name := (Element{PEN: e.PEN, Name: e.Name}); {
		case !validName(e.Name):
			return nil, fmt.Errorf("element %d.%d: name %q is not letters, digits, underscores, dots and hyphens", e.PEN, e.ID, e.Name)
		case e.ID == 0 || e.ID > 0x7fff:
			return nil, fmt.Errorf("element %s: id %d is not within 1 to 32767", e.Name, e.ID)
		case e.Type > entities.SubTemplateMultiList:
			return nil, fmt.Errorf("element %s: unknown type", e.Name)
		case m.elements[key] != nil:
			return nil, fmt.Errorf("element %s: %d.%d is already %s", e.Name, e.PEN, e.ID, m.elements[key].Name)
		case names[name]:
			return nil, fmt.Errorf("element %s: the name is used twice in enterprise %d", e.Name, e.PEN)
		default:
			names[name] = true
		}
		m.elements[key] = entities.NewInfoElement(e.Name, e.ID, e.Type, e.PEN, entities.InfoElementLength[e.Type])
	}
	return m, nil
}

// validName reports whether a name can stand in a record as it is.
func validName(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == ""
}

// ParseType returns the abstract data type of a name of RFC 7012 section 3.1, such as "unsigned32".
func ParseType(name string) (entities.IEDataType, error) {
	t := entities.IENameToType(name)
	if t == entities.InvalidDataType {
		return t, fmt.Errorf("unknown type %q", name)
	}
	return t, nil
}

// TypeName gives the name of an abstract data type in RFC 7012 section 3.1, the reverse of ParseType.
func TypeName(t entities.IEDataType) string {
	switch {
	case t == unsigned256:
		return "unsigned256" // RFC 9740
	case int(t) < len(typeNames):
		return typeNames[t]
	}
	return "octetArray"
}

// typeNames are in the order of RFC 5610 section 3.1, as go-ipfix numbers them.
var typeNames = [...]string{
	"octetArray", "unsigned8", "unsigned16", "unsigned32", "unsigned64", "signed8", "signed16", "signed32", "signed64",
	"float32", "float64", "boolean", "macAddress", "string", "dateTimeSeconds", "dateTimeMilliseconds", "dateTimeMicroseconds",
	"dateTimeNanoseconds", "ipv4Address", "ipv6Address", "basicList", "subTemplateList", "subTemplateMultiList",
}

// Lookup returns the element of a number, or nil when the model does not know it. The element is shared: it must not
// be changed.
func (m *Model) Lookup(pen uint32, id uint16) *entities.InfoElement {
	key := elementKey{pen, id}
	if m != nil {
		if e := m.elements[key]; e != nil {
			return e
		}
	}
	return standardElements()[key]
}

// lookupV9 returns the element of a NetFlow v9 field type, whose high bit is no enterprise bit.
func (m *Model) lookupV9(typ uint16) *entities.InfoElement {
	if id, ok := v9Equivalent(typ); ok {
		return m.Lookup(enterpriseIANA, id)
	}
	return m.Lookup(enterpriseIANA, typ)
}

// v9Equivalent gives the IANA element of a field type that Cisco firewalls use above 32767, where the registry has none.
func v9Equivalent(typ uint16) (uint16, bool) {
	switch typ {
	case 40000:
		return 371, true // userName
	case 40001, 40002, 40003, 40004:
		return 225 + typ - 40001, true // addresses and ports after translation
	case 40005:
		return 233, true // firewallEvent
	}
	return 0, false
}

// supplement holds elements of the IANA registry that go-ipfix does not have.
var supplement = [...]Element{
	{530, 0, "pathDelayMeanDeltaMicroseconds", entities.Unsigned32},
	{531, 0, "pathDelayMinDeltaMicroseconds", entities.Unsigned32},
	{532, 0, "pathDelayMaxDeltaMicroseconds", entities.Unsigned32},
	{533, 0, "pathDelaySumDeltaMicroseconds", entities.Unsigned64},
}

// maxStandardID bounds the ids asked of the registry, which cannot list its elements.
const maxStandardID = 1023

// standardElements is a copy of go-ipfix's registry, whose maps are global and may be changed by others.
var standardElements = sync.OnceValue(func() map[elementKey]*entities.InfoElement {
	if _, err := registry.GetInfoElementFromID(1, enterpriseIANA); err != nil {
		registry.LoadRegistry()
	}
	all := make(map[elementKey]*entities.InfoElement, 1200)
	for _, e := range supplement {
		all[elementKey{e.PEN, e.ID}] = entities.NewInfoElement(e.Name, e.ID, e.Type, e.PEN, entities.InfoElementLength[e.Type])
	}
	for _, pen := range []uint32{enterpriseIANA, enterpriseReverse, registry.AntreaEnterpriseID} {
		for id := uint16(1); id <= maxStandardID; id++ {
			if e, err := registry.GetInfoElementFromID(id, pen); err == nil {
				own := *e
				own.Name = strings.TrimSpace(own.Name) // 288 to 290 end in a newline
				all[elementKey{pen, id}] = &own
			}
		}
	}
	return all
})
