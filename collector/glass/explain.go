package glass

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/correlate/rib"
)

// Explain is /devices/{device}/explain: what the join says of a flow, and why.
type Explain struct {
	Device   string        `json:"device"`
	Name     string        `json:"name,omitempty"`
	VRFRule  string        `json:"vrf_rule"`        // why the flow belongs to its VRF
	Waits    string        `json:"waits,omitempty"` // what a flow of now would wait for first
	RIBState string        `json:"rib_state"`
	AsOf     string        `json:"join_as_of"` // flow-end or now
	Sides    []ExplainSide `json:"sides"`
	Next
}

// ExplainSide is one address of the flow.
type ExplainSide struct {
	Side    string        `json:"side"` // src or dst
	Address string        `json:"address"`
	RD      string        `json:"rd,omitempty"` // of the VRF that is looked at, when it is known
	VRF     string        `json:"vrf_name,omitempty"`
	Join    string        `json:"join"`
	Rule    string        `json:"rule"` // that decided
	Views   []ExplainView `json:"views"`
}

// ExplainView is what a view has for the address.
type ExplainView struct {
	View    string        `json:"view"`
	Answers bool          `json:"answers"` // the best view with routes of the family
	Paths   []ExplainPath `json:"paths"`   // of the longest prefix, the chosen one first
	More    int           `json:"more"`    // paths that are left out
}

// ExplainPath is a candidate.
type ExplainPath struct {
	*Route
	Chosen  bool   `json:"chosen"`
	NextHop bool   `json:"flow_next_hop"` // it has the next hop that the flow names
	LostBy  string `json:"lost_by,omitempty"`
}

// maxExplained is how many paths of a view are told.
const maxExplained = 100

func explainPage(rq *request) (answer, error) {
	q, err := rq.flowQuestion()
	if err != nil {
		return nil, err
	}
	var x *correlate.FlowExplanation
	now := time.Now().UnixNano()
	if err := rq.glass.slice(rq.ctx, func(c *correlate.Correlator) int {
		d := c.Device(c.Canonical(rq.device))
		if d == nil {
			return 1
		}
		x = c.Explain(d, q, now)
		return sliceSteps
	}); err != nil {
		return nil, err
	}
	if x == nil {
		return nil, rq.noDevice()
	}
	r := &x.Record
	out := &Explain{
		Device: r.Device.String(), Name: r.DeviceName, VRFRule: x.VRFRule, Waits: x.Waits, RIBState: r.RIB.String(), AsOf: "now",
	}
	if r.AsOfFlowEnd {
		out.AsOf = "flow-end"
	}
	for i, s := range [...]struct {
		name string
		side *correlate.Side
	}{correlate.SideSrc: {"src", &r.Src}, correlate.SideDst: {"dst", &r.Dst}} {
		if x.Sides[i].Addr.IsValid() {
			out.Sides = append(out.Sides, explainSide(s.name, s.side, &x.Sides[i]))
		}
	}
	return out, nil
}

// flowQuestion reads the flow that is asked about. A VRF by name or route distinguisher stands for one in the record.
func (rq *request) flowQuestion() (q *correlate.FlowQuestion, err error) {
	q = &correlate.FlowQuestion{}
	if q.Src, err = rq.addr("src"); err == nil {
		if q.Dst, err = rq.addr("dst"); err == nil {
			q.NextHop, err = rq.addr("next-hop")
		}
	}
	if err != nil {
		return nil, err
	}
	if !q.Src.IsValid() && !q.Dst.IsValid() {
		return nil, badf("say which flow: src, dst or both")
	}
	for _, n := range [...]struct {
		name  string
		value *uint32
	}{{"domain", &q.Domain}, {"ingress-vrf", &q.IngressVRF}, {"egress-vrf", &q.EgressVRF}} {
		text := rq.params.Get(n.name)
		if text == "" {
			continue
		}
		v, err := strconv.ParseUint(text, 0, 32)
		if err != nil {
			return nil, badf("%s %q is not a number", n.name, text)
		}
		*n.value = uint32(v)
	}
	if q.End, err = readTime(rq.params.Get("at"), time.Now()); err != nil {
		return nil, err
	}
	which := rq.params.Get("vrf")
	if which == "" {
		return q, nil
	}
	names, err := rq.vrfNames()
	if err != nil {
		return nil, err
	}
	wanted, err := chooseVRFs(which, names)
	if err != nil {
		return nil, err
	}
	if len(wanted) != 1 {
		return nil, badf("vrf %q stands for %d route distinguishers, say one of them", which, len(wanted))
	}
	for rd := range wanted {
		q.RD, q.HasRD = rd, true
	}
	return q, nil
}

// readTime reads a time as RFC 3339, or as a duration before now, such as 90s. No text is no time.
func readTime(text string, now time.Time) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d).UnixNano(), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, badf("at %q is neither a time like 2026-01-02T15:04:05Z nor how long ago, like 90s", text)
	}
	return t.UnixNano(), nil
}

func explainSide(name string, side *correlate.Side, x *correlate.SideExplanation) ExplainSide {
	s := ExplainSide{Side: name, Address: x.Addr.String(), VRF: x.VRFName, Join: side.Join.String(), Rule: x.Rule, Views: []ExplainView{}}
	if x.KnownVRF {
		s.RD = x.RD.String()
	}
	for _, v := range x.Routes.Views {
		e := ExplainView{View: v.View.String(), Answers: v.Answers, Paths: []ExplainPath{}, More: max(len(v.Paths)-maxExplained, 0)}
		for i := range v.Paths[:min(len(v.Paths), maxExplained)] {
			e.Paths = append(e.Paths, explainPath(&v.Paths[i]))
		}
		s.Views = append(s.Views, e)
	}
	return s
}

func explainPath(p *rib.PathExplanation) ExplainPath {
	rt := describeRoute(&p.Route)
	rt.Best = p.Chosen
	return ExplainPath{Route: &rt, Chosen: p.Chosen, NextHop: p.NextHop, LostBy: p.Step.String()}
}

func (x *Explain) text(w io.Writer) {
	fmt.Fprintf(w, "device\t%s %s\nVRF by\t%s\ntables\t%s, routes as of %s\n", x.Device, plain(x.Name), x.VRFRule, x.RIBState, x.AsOf)
	if x.Waits != "" {
		fmt.Fprintf(w, "waits\ta flow of now would wait for: %s\n", x.Waits)
	}
	for _, s := range x.Sides {
		fmt.Fprintf(w, "\n%s\t%s\nVRF\t%s %s\njoin\t%s\nby\t%s\n", s.Side, s.Address, dash(s.RD), plain(s.VRF), s.Join, s.Rule)
		for _, v := range s.Views {
			state := "not asked"
			if v.Answers {
				state = "answers"
			}
			fmt.Fprintf(w, "\n%s\t%s\n", v.View, state)
			if len(v.Paths) == 0 {
				fmt.Fprintln(w, "\tno prefix covers the address")
				continue
			}
			fmt.Fprintln(w, "LOST BY\t"+routeHead)
			for _, p := range v.Paths {
				fmt.Fprintf(w, "%s\t", dash(p.LostBy))
				p.line(w)
			}
			if v.More > 0 {
				fmt.Fprintf(w, "%d more\n", v.More)
			}
		}
	}
}
