package glass

import (
	"fmt"
	"io"
	"slices"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/correlate/rib"
)

// Lookup is /devices/{device}/lookup: what a record of a flow to the address would say, in each of the VRFs asked for.
type Lookup struct {
	Device  string   `json:"device"`
	Address string   `json:"address"`
	NextHop string   `json:"next_hop,omitempty"` // that the flow names
	Answers []Answer `json:"answers"`
	Next
}

// Answer is the join's in one VRF.
type Answer struct {
	RD       string   `json:"rd"`
	Names    []string `json:"names"`
	Join     string   `json:"join"`
	RIBState string   `json:"rib_state"`
	Route    *Route   `json:"route,omitempty"`
}

func lookupPage(rq *request) (answer, error) {
	addr, err := rq.addr("address")
	if err != nil {
		return nil, err
	}
	if !addr.IsValid() {
		return nil, badf("say which address: address=192.0.2.1")
	}
	hop, err := rq.addr("next-hop")
	if err != nil {
		return nil, err
	}
	part, names, more, err := rq.lookupVRFs()
	if err != nil {
		return nil, err
	}
	type found struct {
		side  correlate.Side
		state correlate.RIBState
	}
	answers := make([]found, 0, len(part))
	for len(answers) < len(part) {
		if err := rq.slice(func(d *correlate.Device) (steps int) {
			for ; len(answers) < len(part) && steps < sliceSteps; steps += lineSteps {
				var f found
				f.side, f.state = d.Answer(part[len(answers)], addr, hop)
				answers = append(answers, f)
			}
			return steps
		}); err != nil {
			return nil, err
		}
	}
	out := &Lookup{Device: rq.device.String(), Address: addr.String(), Answers: make([]Answer, len(part))}
	if hop.IsValid() {
		out.NextHop = hop.String()
	}
	for i := range answers {
		out.Answers[i] = describeAnswer(part[i], names[part[i]], &answers[i].side, answers[i].state)
	}
	if more {
		out.Next.Next = rq.cursorAt(0, part[len(part)-1].String())
	}
	return out, nil
}

// lookupVRFs are the VRFs of the parameter. Without one it is the global table, where the join looks for flows that name no VRF; a VRF
// that is named is looked up even if it has no routes.
func (rq *request) lookupVRFs() (part []rib.RD, names map[rib.RD][]string, more bool, err error) {
	which := rq.params.Get("vrf")
	if which == "all" {
		return rq.vrfPage(which)
	}
	if which == "" {
		which = globalName
	}
	if names, err = rq.vrfNames(); err != nil {
		return nil, nil, false, err
	}
	wanted, err := chooseVRFs(which, names)
	for rd := range wanted {
		part = append(part, rd)
	}
	slices.Sort(part)
	return part, names, false, err
}

func describeAnswer(rd rib.RD, names []string, side *correlate.Side, state correlate.RIBState) Answer {
	a := Answer{RD: rd.String(), Names: append([]string{}, names...), Join: side.Join.String(), RIBState: state.String()}
	if side.Join.Hit() {
		a.Route = describeMatch(rd, &side.Match)
	}
	return a
}

func (x *Lookup) text(w io.Writer) {
	fmt.Fprintln(w, "JOIN\tRIB\tNAMES\t"+routeHead)
	for _, a := range x.Answers {
		fmt.Fprintf(w, "%s\t%s\t%s\t", a.Join, a.RIBState, dash(plain(joined(a.Names))))
		if a.Route == nil {
			a.Route = &Route{RD: a.RD, View: "-", Prefix: "-"}
		}
		a.Route.line(w)
	}
}
