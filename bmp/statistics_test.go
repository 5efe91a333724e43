package bmp

import (
	"errors"
	"reflect"
	"testing"

	"github.com/telcol/telcol/bmp/bgp"
)

// Every type that IANA lists is read, and types that nobody has thought of yet by the length of their value.
func TestEveryStatistic(t *testing.T) {
	want := &Statistics{Peer: peer4}
	for typ := range uint16(64) {
		st := Statistic{Type: typ, Value: 1000 + uint64(typ)}
		switch typ {
		case StatAdjRIBInFamily, StatLocRIBFamily, StatAdjRIBOutPreFamily, StatAdjRIBOutPostFamily, StatAdjRIBInPreFamily, StatAdjRIBInPostFamily:
			st.Family = bgp.IPv6VPN
		case 40:
			st.Value, st.Raw = 0, []byte{1, 2, 3, 4, 5}
		}
		want.Stats = append(want.Stats, st)
	}
	s := NewSession(Config{})
	if got := mustDecode[*Statistics](t, s, AppendStatistics(nil, want)); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestStatisticsKeepWhatWasReadBeforeAFault(t *testing.T) {
	msg := AppendStatistics(nil, &Statistics{Peer: peer4, Stats: []Statistic{{Type: 7, Value: 5}, {Type: 8, Value: 6}}})
	m, err := NewSession(Config{}).Decode(finish(msg[:len(msg)-1], 0))
	if got, ok := m.(*Statistics); !ok || !errors.Is(err, ErrShort) || len(got.Stats) != 1 || got.Stats[0].Value != 5 {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestStatisticCounts(t *testing.T) {
	post, locPost := peer4, loc
	post.Flags, locPost.Flags = FlagPostPolicy, FlagPostPolicy
	tests := []struct {
		typ  uint16
		peer *Peer
		view View
		ok   bool
	}{
		{0, &peer4, 0, false},
		{7, &peer4, ViewAdjRIBInPre, true},
		{9, &post, ViewAdjRIBInPost, true},
		{8, &loc, ViewLocRIB, true},
		{10, &locRD, ViewLocRIB, true},
		{7, &locPost, ViewAdjRIBInPre, true}, // the flag means nothing for a Loc-RIB
		{13, &peer4, 0, false},
		{14, &peer4, ViewAdjRIBOutPre, true},
		{15, &peer4, ViewAdjRIBOutPost, true},
		{16, &peer4, ViewAdjRIBOutPre, true},
		{17, &peer4, ViewAdjRIBOutPost, true},
		{18, &post, ViewAdjRIBInPre, true},
		{19, &post, ViewAdjRIBInPre, true},
		{20, &peer4, ViewAdjRIBInPost, true},
		{21, &peer4, ViewAdjRIBInPost, true},
		{22, &peer4, 0, false},
	}
	for _, tt := range tests {
		st := Statistic{Type: tt.typ}
		if v, ok := st.Counts(tt.peer); v != tt.view || ok != tt.ok {
			t.Errorf("type %d: %v, %v; want %v, %v", tt.typ, v, ok, tt.view, tt.ok)
		}
	}
	if _, ok := (&Statistic{Type: 7, Raw: []byte{1}}).Counts(&peer4); ok {
		t.Error("a value that is no number counts nothing")
	}
}
