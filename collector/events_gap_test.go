package collector

import (
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/collector/sink"
)

// liar is a Sink that says that it has room and takes nothing, until it is honest: another session was faster each time.
type liar struct {
	Sink
	honest bool
	got    []event
}

func (l *liar) GetAll(items []*sink.Item) {
	for i := range items {
		items[i] = new(sink.Item)
	}
}
func (l *liar) Release([]*sink.Item) {}
func (l *liar) HasRoom(int) bool     { return true }

func (l *liar) Offer(_ int, items []*sink.Item) int {
	if !l.honest {
		return 0
	}
	for _, it := range items {
		var e event
		if err := json.Unmarshal(it.Value, &e); err != nil {
			e.Error = err.Error()
		}
		l.got = append(l.got, e)
	}
	return len(items)
}

// TestGapThatFindsNoRoom holds that a gap whose own event is lost grows by that event, and that nothing of it is forgotten.
func TestGapThatFindsNoRoom(t *testing.T) {
	cfg := Default()
	cfg.BMP.Events = EventsAll
	s := &liar{}
	ev := newEvents(&cfg, s)
	told := ev.session(t.Context(), netip.MustParseAddrPort("192.0.2.1:1"))
	initiation := &bmp.Initiation{SysName: "pe"}
	for range 3 {
		told.Message(initiation, nil)
		told.Flush()
	}
	s.honest = true
	told.Flush()
	told.Message(initiation, nil)
	told.end(downClosed, "")
	// Session up, three initiations, and the gap's own event three times are lost.
	if len(s.got) != 3 || s.got[0].Event != "gap" || s.got[0].Lost != 7 || s.got[1].Event != "init" || s.got[2].Event != "session_down" {
		t.Fatalf("got %+v", s.got)
	}
	checkGaps(t, s.got, ev.lostFull.Load())
	ev.tell() // the session's turn comes when it has nothing to tell any more
	if n := ev.pending(); n != 0 || ev.gaps.Load() != 1 || len(s.got) != 3 {
		t.Errorf("%d sessions behind, %d gaps told", n, ev.gaps.Load())
	}
}
