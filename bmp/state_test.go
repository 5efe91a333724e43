package bmp

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"
)

func stateOf() *Session {
	s := NewSession(Config{})
	s.peers = map[PeerKey]*peerState{
		{Class: PeerGlobal}: {up: true, loc: []Family{1<<8 | 1, 2<<8 | 1}},
		{Class: PeerRD, Distinguisher: 1 << 63, Addr: netip.MustParseAddr("192.0.2.1")}: {as2: true, in: []Family{1<<8 | 128}},
		{Class: PeerLocal, Distinguisher: 7, Addr: netip.MustParseAddr("2001:db8::1")}:  {up: true, out: []Family{2<<8 | 4}},
	}
	for _, t := range s.peers {
		t.noPathIDs[numViews-1] = t.up
	}
	return s
}

func TestSessionState(t *testing.T) {
	want := stateOf()
	b := want.AppendState(nil)
	got := NewSession(Config{})
	if err := got.RestoreState(b); err != nil || !reflect.DeepEqual(got.peers, want.peers) {
		t.Errorf("got %+v, error %v; want %+v", got.peers, err, want.peers)
	}
	small := NewSession(Config{MaxPeers: 2})
	if err := small.RestoreState(b); err != nil || len(small.peers) != 2 || small.Counters().PeersRefused != 1 {
		t.Errorf("%d peers, error %v, counters %+v", len(small.peers), err, small.Counters())
	}
	for i := range b {
		got := NewSession(Config{})
		if err := got.RestoreState(b[:i]); !errors.Is(err, ErrState) || len(got.peers) > 0 {
			t.Errorf("%d octets: %d peers, error %v", i, len(got.peers), err)
		}
	}
	if err := NewSession(Config{}).RestoreState(append(b, 0)); !errors.Is(err, ErrState) {
		t.Errorf("an octet too many: error %v", err)
	}
}

func FuzzSessionState(f *testing.F) {
	f.Add(stateOf().AppendState(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := NewSession(Config{})
		if s.RestoreState(b) != nil {
			if len(s.peers) > 0 {
				t.Fatal("peers after an error")
			}
			return
		}
		again := NewSession(Config{})
		if err := again.RestoreState(s.AppendState(nil)); err != nil || !reflect.DeepEqual(again.peers, s.peers) {
			t.Fatalf("%+v became %+v, %v", s.peers, again.peers, err)
		}
	})
}
