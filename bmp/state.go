package bmp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
)

// ErrState says that the state of a session cannot be taken up.
var ErrState = errors.New("bad state of a session")

// The state of a session is what its Peer Ups told of how UPDATEs are written. Numbers are varints; families are AFI and SAFI in one.
//
//	state    = version(1) peers { peer }
//	peer     = class(1) distinguisher(8) address length(1) address flags(1) views(1) in out loc
//	in, …    = number { family }                  the families with path identifiers
//	views    = a bit for each View that lacks the identifiers that it should have
const (
	stateVersion = 1

	stateUp  = 1 << 0
	stateAS2 = 1 << 1
)

// AppendState appends what a Session of another process needs to go on with the next message. Counters are not part of it.
func (s *Session) AppendState(b []byte) []byte {
	b = binary.AppendUvarint(append(b, stateVersion), uint64(len(s.peers)))
	for k, t := range s.peers {
		b = binary.BigEndian.AppendUint64(append(b, k.Class), k.Distinguisher)
		addr := k.Addr.AsSlice()
		b = append(append(b, byte(len(addr))), addr...)
		var flags, views byte
		if t.up {
			flags |= stateUp
		}
		if t.as2 {
			flags |= stateAS2
		}
		for v, lacks := range t.noPathIDs {
			if lacks {
				views |= 1 << v
			}
		}
		b = append(b, flags, views)
		for _, families := range [...][]Family{t.in, t.out, t.loc} {
			b = binary.AppendUvarint(b, uint64(len(families)))
			for _, f := range families {
				b = binary.AppendUvarint(b, uint64(f))
			}
		}
	}
	return b
}

// RestoreState takes up what AppendState wrote, within Config.MaxPeers, into a Session that has decoded nothing. The error wraps
// ErrState; the Session then knows of no peer.
func (s *Session) RestoreState(b []byte) error {
	r := stateReader{b: b}
	if v := r.take(1); v == nil || v[0] != stateVersion {
		return fmt.Errorf("%w: version", ErrState)
	}
	for range r.count() {
		k, t := r.peer()
		if r.bad {
			break
		}
		if len(s.peers) >= s.maxPeers {
			s.count.PeersRefused++
			continue
		}
		s.peers[k] = t
	}
	s.cached = false
	if r.bad || len(r.b) > 0 {
		clear(s.peers)
		return ErrState
	}
	return nil
}

// stateReader reads a state. After a failure it reads nothing but zeros.
type stateReader struct {
	b   []byte
	bad bool
}

func (r *stateReader) take(n int) []byte {
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *stateReader) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > limit {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads the number of things that follow, each of one octet or more.
func (r *stateReader) count() int { return int(r.uint(uint64(len(r.b)))) }

func (r *stateReader) peer() (k PeerKey, t *peerState) {
	if h := r.take(1 + 8 + 1); h != nil {
		k.Class, k.Distinguisher = h[0], binary.BigEndian.Uint64(h[1:])
		if addr := r.take(int(h[9])); len(addr) > 0 {
			var ok bool
			k.Addr, ok = netip.AddrFromSlice(addr)
			r.bad = r.bad || !ok
		}
	}
	t = new(peerState)
	if f := r.take(2); f != nil {
		t.up, t.as2 = f[0]&stateUp != 0, f[0]&stateAS2 != 0
		for v := range t.noPathIDs {
			t.noPathIDs[v] = f[1]>>v&1 == 1
		}
	}
	t.in, t.out, t.loc = r.families(), r.families(), r.families()
	return k, t
}

func (r *stateReader) families() (all []Family) {
	for range r.count() {
		all = append(all, Family(r.uint(math.MaxUint32)))
	}
	return all
}
