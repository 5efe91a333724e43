package decode

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// rows lists option tables in a fixed order.
func rows(o *ipfix.Options) []tableEvent {
	var list []tableEvent
	list = appendRows(list, "ingress vrf", o.IngressVRFs, vrfText, vrfTold)
	list = appendRows(list, "egress vrf", o.EgressVRFs, vrfText, vrfTold)
	list = appendRows(list, "interface", o.Interfaces, interfaceText, func(i ipfix.Interface) ipfix.Told { return i.Told })
	list = appendRows(list, "selector", o.Selectors, samplingText, samplingTold)
	list = appendRows(list, "sampler", o.Samplers, samplingText, samplingTold)
	list = appendRows(list, "selection sequence", o.Sequences, sequenceText, func(s ipfix.SelectionSequence) ipfix.Told { return s.Told })
	list = appendRows(list, "sampling of interface", o.PerIf, samplingText, samplingTold)
	if o.Default != (ipfix.Sampling{}) {
		e := tableEvent{Table: "sampling", Value: samplingText(o.Default)}
		e.Template, e.Updated = told(o.Default.Told)
		list = append(list, e)
	}
	single := func(is bool, name, value string) {
		if is {
			e := tableEvent{Table: name, Value: value}
			e.Template, e.Updated = told(o.About)
			list = append(list, e)
		}
	}
	single(o.SystemInit != 0, "system start", time.Unix(0, o.SystemInit).UTC().Format(time.RFC3339Nano))
	single(o.Exporter.IsValid(), "exporter address", o.Exporter.String())
	single(o.ActiveTimeout != 0, "active timeout", o.ActiveTimeout.String())
	single(o.IdleTimeout != 0, "idle timeout", o.IdleTimeout.String())
	return list
}

// appendRows lists one table by its keys.
func appendRows[K uint32 | uint64, V any](list []tableEvent, name string, table map[K]V, text func(V) string, source func(V) ipfix.Told) []tableEvent {
	for _, k := range slices.SortedFunc(maps.Keys(table), cmp.Compare[K]) {
		key := uint64(k)
		e := tableEvent{Table: name, Key: &key, Value: text(table[k])}
		e.Template, e.Updated = told(source(table[k]))
		list = append(list, e)
	}
	return list
}

func vrfText(v ipfix.VRF) string {
	if v.HasRD {
		return fmt.Sprintf("%q, route distinguisher %v", v.Name, rib.RD(v.RD))
	}
	return fmt.Sprintf("%q", v.Name)
}

func vrfTold(v ipfix.VRF) ipfix.Told { return v.Told }

func interfaceText(i ipfix.Interface) string {
	if i.Description != "" {
		return fmt.Sprintf("%q, %q", i.Name, i.Description)
	}
	return fmt.Sprintf("%q", i.Name)
}

func samplingText(s ipfix.Sampling) string {
	text := "rate not told"
	if s.Rate != 0 {
		text = fmt.Sprintf("1 out of %d", s.Rate)
	}
	if s.Algorithm != 0 {
		text += fmt.Sprintf(", algorithm %d", s.Algorithm)
	}
	if s.Name != "" {
		text += fmt.Sprintf(", %q", s.Name)
	}
	return text
}

func sequenceText(s ipfix.SelectionSequence) string {
	text := "selectors"
	for _, id := range s.Selectors {
		text += fmt.Sprintf(" %d", id)
	}
	return text
}

func samplingTold(s ipfix.Sampling) ipfix.Told { return s.Told }

// told gives the time of a row.
func told(t ipfix.Told) (uint16, time.Time) {
	if t.Updated == 0 {
		return t.Template, time.Time{}
	}
	return t.Template, time.Unix(0, t.Updated).UTC()
}
