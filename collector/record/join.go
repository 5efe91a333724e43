package record

import "github.com/telcol/telcol/correlate"

// The numbers of states that a join can end in.
const (
	joinStates = int(correlate.JoinNotRouted) + 1
	ribStates  = int(correlate.RIBStale) + 1
)

// joinTexts holds the end of a record, which says how the join went, for each way it can go.
type joinTexts [joinStates][joinStates][ribStates][2]string

func newJoinTexts() *joinTexts {
	var t joinTexts
	for src := range t {
		for dst := range t[src] {
			for state := range t[src][dst] {
				for asOf := range t[src][dst][state] {
					t[src][dst][state][asOf] = joinText(correlate.JoinStatus(src), correlate.JoinStatus(dst),
						correlate.RIBState(state), asOf == 1)
				}
			}
		}
	}
	return &t
}

// append writes the fields of the join and closes the record.
func (t *joinTexts) append(dst []byte, r *correlate.Record) []byte {
	asOf := 0
	if r.AsOfFlowEnd {
		asOf = 1
	}
	return append(dst, t[r.Src.Join][r.Dst.Join][r.RIB][asOf]...)
}

func joinText(src, dst correlate.JoinStatus, state correlate.RIBState, flowEnd bool) string {
	text := ""
	if src != correlate.JoinNone {
		text += `,"join_src":"` + src.String() + `"`
	}
	if dst != correlate.JoinNone {
		text += `,"join_dst":"` + dst.String() + `"`
	}
	text += `,"rib_state":"` + state.String() + `"`
	switch {
	case src == correlate.JoinNone && dst == correlate.JoinNone:
	case flowEnd:
		text += `,"join_as_of":"flow-end"`
	default:
		text += `,"join_as_of":"now"`
	}
	return text + "}"
}
