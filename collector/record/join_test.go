package record

import (
	"testing"

	"github.com/telcol/telcol/correlate"
)

// TestJoinTextsCoverEveryState fails when package correlate gets a state that the texts of the join have no place for.
func TestJoinTextsCoverEveryState(t *testing.T) {
	named := func(text func() string) (ok bool) {
		defer func() { ok = recover() == nil }()
		return text() != ""
	}
	if named(correlate.JoinStatus(joinStates).String) {
		t.Errorf("there is a join status behind %v", correlate.JoinStatus(joinStates-1))
	}
	if named(correlate.RIBState(ribStates).String) {
		t.Errorf("there is a RIB state behind %v", correlate.RIBState(ribStates-1))
	}
}
