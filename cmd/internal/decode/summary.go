package decode

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"github.com/telcol/telcol/cmd/internal/pcapfile"
	"github.com/telcol/telcol/ipfix"
)

// Summary counts what was found in a capture.
type Summary struct {
	Packets int // UDP and TCP, read
	Passed  int // of these, not looked at: for another port or device, or no message
	Skipped pcapfile.Skipped
	Gaps    int // TCP connections that lack octets, or end within a message
	Refused int // packets of devices and connections beyond 16384

	Messages  int // of IPFIX and NetFlow v9, decoded, whole or in part
	Malformed int // messages that could not be decoded, wholly or in part, those of BMP too

	Counters ipfix.Counters // of the decoder, over all devices
	Devices  []DeviceSummary

	BMP BMPSummary
}

// all counts the packets of the capture, read or not.
func (s *Summary) all() int {
	return s.Packets + s.Skipped.Other + s.Skipped.Link + s.Skipped.Fragments + s.Skipped.Cut
}

// DeviceSummary is one observation domain of an exporter.
type DeviceSummary struct {
	Device netip.Addr
	ipfix.Domain
}

// end finishes what is open and shows tables and summary.
func (d *decoder) end(skipped pcapfile.Skipped) {
	for key, s := range d.streams {
		d.endStream(key, s)
	}
	d.sum.Skipped = skipped
	for _, dev := range d.order {
		d.tables(dev)
		d.sum.Counters.Add(&dev.session.Counters)
		for domain := range dev.session.Domains() {
			d.sum.Devices = append(d.sum.Devices, DeviceSummary{dev.key.addr, domain})
		}
	}
	slices.SortStableFunc(d.sum.Devices, func(a, b DeviceSummary) int {
		return cmp.Or(a.Device.Compare(b.Device), cmp.Compare(a.Version, b.Version), cmp.Compare(a.ID, b.ID))
	})
	for _, s := range d.sessions {
		s.peers(d)
		c := s.session.Counters()
		d.sum.BMP.Counters.Add(&c)
	}
	d.sum.BMP.Sessions = len(d.sessions)
	d.out.summary(&d.sum)
}

// summaryEvent is the summary in JSON.
type summaryEvent struct {
	Kind           string        `json:"kind"`
	Packets        int           `json:"packets"`
	Passed         int           `json:"passed_over"`
	NotWhole       int           `json:"not_whole"` // fragments, and packets cut by the capture
	Other          int           `json:"other"`     // neither UDP nor TCP over IP, or of a link that cannot be read
	Gaps           int           `json:"connections_with_gaps"`
	Refused        int           `json:"packets_refused"`
	Messages       int           `json:"messages"`
	Malformed      int           `json:"malformed"`
	Templates      uint64        `json:"templates"`
	Changed        uint64        `json:"templates_changed"`
	Refreshed      uint64        `json:"templates_refreshed"`
	Withdrawn      uint64        `json:"templates_withdrawn"`
	TemplatesOver  uint64        `json:"templates_refused"`
	OptionsRecords uint64        `json:"options_records"`
	DataRecords    uint64        `json:"data_records"`
	HeldSets       uint64        `json:"sets_held"`
	ReleasedSets   uint64        `json:"sets_decoded_later"`
	DroppedSets    uint64        `json:"sets_dropped"`
	Domains        []domainEvent `json:"domains"`

	BMP *bmpSummaryEvent `json:"bmp,omitempty"`
}

// bmpSummaryEvent is what of the summary is about BMP.
type bmpSummaryEvent struct {
	Sessions  int    `json:"sessions"`
	Messages  int    `json:"messages"`
	Announced int    `json:"routes_announced"`
	Withdrawn int    `json:"routes_withdrawn"`
	EndOfRIB  int    `json:"end_of_rib"`
	NoPeerUp  uint64 `json:"messages_of_peers_not_up"`
}

// domainEvent is an observation domain in the summary.
type domainEvent struct {
	Device    netip.Addr `json:"device"`
	Protocol  string     `json:"protocol"`
	Domain    uint32     `json:"domain"`
	Messages  uint64     `json:"messages"`
	Records   uint64     `json:"records"`
	Templates int        `json:"templates"`
	Waiting   int        `json:"sets_waiting"`
	Lost      uint64     `json:"lost_by_sequence"`
	Late      uint64     `json:"late"`
	Restarts  uint64     `json:"restarts"`
}

func (s *Summary) event() *summaryEvent {
	c := &s.Counters
	e := &summaryEvent{
		Kind: "summary", Packets: s.Packets, Passed: s.Passed, NotWhole: s.Skipped.Fragments + s.Skipped.Cut,
		Other: s.Skipped.Other + s.Skipped.Link, Gaps: s.Gaps,
		Refused: s.Refused, Messages: s.Messages, Malformed: s.Malformed,
		Templates: c.TemplatesLearnt, Changed: c.TemplatesChanged, Refreshed: c.TemplatesRefreshed, Withdrawn: c.TemplatesWithdrawn,
		TemplatesOver: c.TemplatesRefused, OptionsRecords: c.OptionsRecords, DataRecords: c.DataRecords,
		HeldSets: c.HeldSets, ReleasedSets: c.ReleasedSets, DroppedSets: c.DroppedSets + c.ExpiredSets + c.EndedSets,
	}
	for _, d := range s.Devices {
		e.Domains = append(e.Domains, domainEvent{
			Device: d.Device, Protocol: protocol(d.Version), Domain: d.ID, Messages: d.Messages, Records: d.Records,
			Templates: d.Templates, Waiting: d.Held, Lost: d.Lost, Late: d.Late, Restarts: d.Restarts,
		})
	}
	if b := &s.BMP; b.Sessions > 0 {
		e.BMP = &bmpSummaryEvent{b.Sessions, b.Messages, b.Announced, b.Withdrawn, b.EndOfRIB, b.Counters.NoPeerUp}
	}
	return e
}

// write writes the summary for people.
func (e *summaryEvent) write(w io.Writer) {
	fmt.Fprintf(w, "summary\n  packets    %d, %d passed over, %d not whole\n", e.Packets, e.Passed, e.NotWhole)
	if e.Other > 0 {
		fmt.Fprintf(w, "  other      %d packets are neither UDP nor TCP over IP, or of a link that cannot be read\n", e.Other)
	}
	if e.Gaps > 0 {
		fmt.Fprintf(w, "  streams    %d TCP connections lack octets or end within a message\n", e.Gaps)
	}
	if e.Refused > 0 {
		fmt.Fprintf(w, "  refused    %d packets: more than %d devices and connections\n", e.Refused, maxSessions)
	}
	fmt.Fprintf(w, "  messages   %d, %d malformed\n", e.Messages, e.Malformed)
	if e.Messages > 0 || e.BMP == nil {
		fmt.Fprintf(w, "  templates  %d, %d changed, %d told again, %d withdrawn, %d refused\n",
			e.Templates, e.Changed, e.Refreshed, e.Withdrawn, e.TemplatesOver)
		fmt.Fprintf(w, "  records    %d data, %d options\n", e.DataRecords, e.OptionsRecords)
		fmt.Fprintf(w, "  held sets  %d, %d decoded later, %d dropped\n", e.HeldSets, e.ReleasedSets, e.DroppedSets)
	}
	for _, d := range e.Domains {
		unit := "records"
		if d.Protocol != "ipfix" {
			unit = "messages"
		}
		fmt.Fprintf(w, "  %v %s domain %d: %d messages, %d records, %d templates, %d sets wait for theirs; by sequence %d %s lost, %d late, %d restarts\n",
			d.Device, d.Protocol, d.Domain, d.Messages, d.Records, d.Templates, d.Waiting, d.Lost, unit, d.Late, d.Restarts)
	}
	if e.BMP != nil {
		e.BMP.write(w)
	}
}
