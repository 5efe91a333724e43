package glass

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/telcol/telcol/correlate"
)

// Quality is /devices/{device}/quality: how the device's flows met its routes, since the worker met the device.
type Quality struct {
	Device      string            `json:"device"`
	Src         map[string]uint64 `json:"src"`        // source addresses by join_src
	Dst         map[string]uint64 `json:"dst"`        // destination addresses by join_dst
	RIBStates   map[string]uint64 `json:"rib_states"` // records by rib_state
	AsOfEnd     uint64            `json:"as_of_flow_end"`
	Waiting     int               `json:"waiting_flows"` // now
	WaitingSize int               `json:"waiting_bytes"`
	Waited      map[string]uint64 `json:"waited"` // records that waited, by how it ended
	SrcAges     []AgeBucket       `json:"src_route_ages"`
	DstAges     []AgeBucket       `json:"dst_route_ages"`
	ClockOffset float64           `json:"clock_offset_seconds"` // the device's clock less ours
	ClockOff    bool              `json:"clock_off"`            // so much that its flows meet the routes of now
	Missed      []MissedPrefix    `json:"missed"`
	Next
}

// AgeBucket counts routes that answered and were not older than UpTo, but older than the bucket before.
type AgeBucket struct {
	UpTo   string `json:"up_to"` // a duration, or "more"
	Routes uint64 `json:"routes"`
}

// MissedPrefix is one of the prefixes that flows have missed most. Up to Error of the count may be others'.
type MissedPrefix struct {
	RD     string `json:"rd"`
	Prefix string `json:"prefix"`
	Count  uint64 `json:"count"`
	Error  uint64 `json:"error"`
}

func qualityPage(rq *request) (answer, error) {
	var q correlate.Quality
	var missed []correlate.Missed
	out := &Quality{Device: rq.device.String(), Missed: []MissedPrefix{}}
	err := rq.slice(func(d *correlate.Device) int {
		q, missed = d.Quality(), d.Missed()
		out.Waiting, out.WaitingSize = d.Held()
		offset, off := d.Clock()
		out.ClockOffset, out.ClockOff = float64(offset)/1e9, off
		return lineSteps
	})
	if err != nil {
		return nil, err
	}
	out.Src, out.Dst = joinsOf(&q, correlate.SideSrc), joinsOf(&q, correlate.SideDst)
	out.RIBStates, out.Waited = make(map[string]uint64), make(map[string]uint64)
	for i, n := range q.States {
		out.RIBStates[correlate.RIBState(i).String()] = n
	}
	for i, n := range q.Ended {
		out.Waited[correlate.HoldEndText(i)] = n
	}
	out.AsOfEnd = q.AsOf
	out.SrcAges, out.DstAges = agesOf(&q, correlate.SideSrc), agesOf(&q, correlate.SideDst)
	for _, m := range missed {
		out.Missed = append(out.Missed, MissedPrefix{m.VRF.String(), m.Prefix.String(), m.Count, m.Error})
	}
	return out, nil
}

func joinsOf(q *correlate.Quality, side int) map[string]uint64 {
	m := make(map[string]uint64)
	for i, n := range q.Joins[side] {
		if s := correlate.JoinStatus(i); s != correlate.JoinNone {
			m[s.String()] = n
		}
	}
	return m
}

func agesOf(q *correlate.Quality, side int) []AgeBucket {
	list := make([]AgeBucket, correlate.AgeBuckets)
	for i, n := range q.Ages[side] {
		list[i] = AgeBucket{UpTo: (time.Duration(correlate.AgeBound(i)) * time.Second).String(), Routes: n}
	}
	list[len(list)-1].UpTo = "more"
	return list
}

func (x *Quality) text(w io.Writer) {
	fmt.Fprintln(w, "JOIN\tSOURCES\tDESTINATIONS")
	for i := correlate.JoinHit; i <= correlate.JoinNotRouted; i++ {
		fmt.Fprintf(w, "%s\t%d\t%d\n", i, x.Src[i.String()], x.Dst[i.String()])
	}
	fmt.Fprintln(w, "\nRIB STATE\tRECORDS")
	for i := correlate.RIBAbsent; i <= correlate.RIBStale; i++ {
		fmt.Fprintf(w, "%s\t%d\n", i, x.RIBStates[i.String()])
	}
	fmt.Fprintf(w, "\nas of the flow's end\t%d\n", x.AsOfEnd)
	for i := range len(x.Waited) {
		fmt.Fprintf(w, "waited, %s\t%d\n", correlate.HoldEndText(i), x.Waited[correlate.HoldEndText(i)])
	}
	fmt.Fprintf(w, "waiting now\t%d\nclock ahead by\t%ss\n", x.Waiting, strconv.FormatFloat(x.ClockOffset, 'f', 3, 64))
	fmt.Fprintln(w, "\nROUTE AGE UP TO\tSOURCES\tDESTINATIONS")
	for i, a := range x.SrcAges {
		fmt.Fprintf(w, "%s\t%d\t%d\n", a.UpTo, a.Routes, x.DstAges[i].Routes)
	}
	if len(x.Missed) > 0 {
		fmt.Fprintln(w, "\nMISSED PREFIX\tRD\tADDRESSES\tERROR")
		for _, m := range x.Missed {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\n", m.Prefix, m.RD, m.Count, m.Error)
		}
	}
}
