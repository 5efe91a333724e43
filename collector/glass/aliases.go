package glass

import (
	"fmt"
	"io"
	"net/netip"
	"slices"

	"github.com/telcol/telcol/correlate"
)

// Aliases is /aliases: further addresses of devices that are in effect, and those that seem to be ones.
type Aliases struct {
	Slot       int         `json:"slot"`
	Aliases    []Alias     `json:"aliases"`
	Candidates []Candidate `json:"candidates"`
	Next
}

// Alias is a further address of a device.
type Alias struct {
	Address string `json:"address"`
	Device  string `json:"device"`
}

// Candidate is an address that seems to be a further one of a device.
type Candidate struct {
	Alias
	Why string `json:"why"` // exporter-address, sys-name or bgp-identifier
}

func aliasesPage(rq *request) (answer, error) {
	type pair struct{ from, to netip.Addr }
	var pairs []pair
	var found []correlate.AliasCandidate
	err := rq.glass.slice(rq.ctx, func(c *correlate.Correlator) int {
		for from, to := range c.Aliases() {
			pairs = append(pairs, pair{from, to})
		}
		found = c.AliasCandidates()
		return lineSteps + len(pairs)
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(pairs, func(a, b pair) int { return a.from.Compare(b.from) })
	out := &Aliases{Slot: rq.glass.cfg.Slot, Aliases: []Alias{}, Candidates: []Candidate{}}
	for _, p := range pairs[:min(len(pairs), maxLimit)] {
		out.Aliases = append(out.Aliases, Alias{p.from.String(), p.to.String()})
	}
	for _, c := range found[:min(len(found), maxLimit)] {
		out.Candidates = append(out.Candidates, Candidate{Alias{c.From.String(), c.To.String()}, c.Why})
	}
	return out, nil
}

func (x *Aliases) text(w io.Writer) {
	fmt.Fprintln(w, "ADDRESS\tDEVICE\tSTATE")
	for _, a := range x.Aliases {
		fmt.Fprintf(w, "%s\t%s\tin effect\n", a.Address, a.Device)
	}
	for _, c := range x.Candidates {
		fmt.Fprintf(w, "%s\t%s\tcandidate: %s\n", c.Address, c.Device, c.Why)
	}
}
