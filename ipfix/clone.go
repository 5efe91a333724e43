package ipfix

import (
	"slices"
	"unsafe"
)

// Clone copies a flow with all it points to, but for the option tables, which go on to change with the device's words. It is for
// a handler that keeps a flow beyond its call.
func (f *Flow) Clone() *Flow {
	c := *f
	c.MPLSLabels = slices.Clone(f.MPLSLabels)
	c.SRv6Segments = slices.Clone(f.SRv6Segments)
	c.Record.data = slices.Clone(f.Record.data)
	c.Record.spans = slices.Clone(f.Record.spans)
	return &c
}

// Size estimates the memory that a clone of the flow takes, in octets.
func (f *Flow) Size() int {
	return int(unsafe.Sizeof(*f)) + 4*len(f.MPLSLabels) + len(f.SRv6Segments)*int(unsafe.Sizeof(f.Src)) +
		len(f.Record.data) + len(f.Record.spans)*int(unsafe.Sizeof(span{}))
}
