package glass

import (
	"cmp"
	"fmt"
	"io"
	"iter"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/ipfix"
)

// Sequence is a line of /devices/{device}/sequences: an observation domain and what its sequence numbers tell.
type Sequence struct {
	Session   string `json:"session"` // transport session that it is of
	Protocol  string `json:"protocol"`
	Domain    uint32 `json:"domain"`
	Templates int    `json:"templates"`
	HeldSets  int    `json:"held_sets"` // data that waits for its template
	Messages  uint64 `json:"messages"`
	Records   uint64 `json:"records"`  // of data and options
	Counts    string `json:"counts"`   // what is numbered: records (IPFIX) or messages (NetFlow v9)
	Lost      uint64 `json:"lost"`     // missing so far; those that came late are in it
	Late      uint64 `json:"late"`     // came after their successors
	Restarts  uint64 `json:"restarts"` // times the exporter began to count anew
}

// Sequences is /devices/{device}/sequences.
type Sequences struct {
	Device    string     `json:"device"`
	Sequences []Sequence `json:"sequences"`
	Next
}

// foundDomain is an observation domain of a transport session.
type foundDomain struct {
	Stream  correlate.Stream `json:"s"`
	ID      uint32           `json:"d"`
	Version uint16           `json:"v"`

	said ipfix.Domain
}

func (f foundDomain) compare(o foundDomain) int {
	return cmp.Or(compareStreams(f.Stream, o.Stream), cmp.Compare(f.ID, o.ID), cmp.Compare(f.Version, o.Version))
}

func sequencesPage(rq *request) (answer, error) {
	after, err := afterKey[foundDomain](rq)
	if err != nil {
		return nil, err
	}
	domain, any, err := rq.domain()
	if err != nil {
		return nil, err
	}
	var all []foundDomain
	if err := each(rq, sequencesOf, func(f foundDomain) {
		if any || f.ID == domain {
			all = append(all, f)
		}
	}); err != nil {
		return nil, err
	}
	part, more := pageOf(all, foundDomain.compare, after, rq.limit)
	out := &Sequences{Device: rq.device.String(), Sequences: make([]Sequence, len(part))}
	for i := range part {
		out.Sequences[i] = describeSequence(&part[i])
	}
	out.Next, err = nextAfter(rq, part, more)
	return out, err
}

func sequencesOf(d *correlate.Device) iter.Seq[foundDomain] {
	return func(yield func(foundDomain) bool) {
		for s, n := range d.Sequences() {
			if !yield(foundDomain{Stream: s, ID: n.ID, Version: n.Version, said: n}) {
				return
			}
		}
	}
}

func describeSequence(f *foundDomain) Sequence {
	n := &f.said
	s := Sequence{
		Session: streamName(f.Stream), Protocol: protocolName(n.Version), Domain: n.ID, Templates: n.Templates, HeldSets: n.Held,
		Messages: n.Messages, Records: n.Records, Counts: "records", Lost: n.Lost, Late: n.Late, Restarts: n.Restarts,
	}
	if n.Version == ipfix.VersionNetFlow9 {
		s.Counts = "messages"
	}
	return s
}

func (x *Sequences) text(w io.Writer) {
	fmt.Fprintln(w, "SESSION\tPROTOCOL\tDOMAIN\tTEMPLATES\tHELD SETS\tMESSAGES\tRECORDS\tCOUNTS\tLOST\tLATE\tRESTARTS")
	for i := range x.Sequences {
		s := &x.Sequences[i]
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\t%d\t%d\t%d\n", s.Session, s.Protocol, s.Domain, s.Templates, s.HeldSets,
			s.Messages, s.Records, s.Counts, s.Lost, s.Late, s.Restarts)
	}
}
