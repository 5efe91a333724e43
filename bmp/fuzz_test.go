package bmp

import (
	"bytes"
	"testing"

	"github.com/telcol/telcol/bmp/bgp"
)

// FuzzDecode feeds whole streams to a Reader and a Session, as a router would, and checks that every message ends in a
// value or an error and that cold messages are not tied to the Reader's buffer.
func FuzzDecode(f *testing.F) {
	both := bgp.AddPath{Family: bgp.IPv4Unicast, Mode: bgp.AddPathBoth}
	stream := AppendInitiation(nil, &Initiation{SysName: "r1"})
	stream = AppendPeerUp(stream, &PeerUp{Peer: peer4, Sent: openOf(1, both), Received: openOf(2, both), TableName: "x"})
	stream = append(stream, withPath(peer4)...)
	stream = AppendStatistics(stream, &Statistics{Peer: loc, Stats: []Statistic{{Type: 9, Family: bgp.IPv4Unicast, Value: 1}}})
	stream = AppendPeerDown(stream, &PeerDown{Peer: peer4, Reason: DownTLVs, TableName: "x"})
	stream = AppendRouteMirroring(stream, &RouteMirroring{Peer: peer4, Lost: true, Messages: [][]byte{{1}}})
	f.Add(stream)
	f.Add(v4Message(v4TLV(7, 0, updateMessage(f, "400101 00 400200", "18 c00002"))))
	f.Add(AppendTermination(nil, &Termination{HasReason: true}))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := NewReader(bytes.NewReader(stream), 1<<16, nil)
		s := NewSession(Config{MaxPeers: 4})
		for {
			msg, err := r.Next()
			if err != nil {
				break
			}
			m, err := s.Decode(msg)
			if m == nil && err == nil {
				t.Fatal("neither message nor error")
			}
			if up, ok := m.(*PeerUp); ok && err == nil {
				name := up.TableName
				clear(msg)
				if up.TableName != name {
					t.Fatal("peer up changes with the buffer")
				}
			}
		}
		if c := s.Counters(); len(s.peers) > 4 || c.Malformed > c.Messages[0]+c.Messages[1]+c.Messages[2]+c.Messages[3]+c.Messages[4]+c.Messages[5]+c.Messages[6] {
			t.Fatalf("%d peers, %+v", len(s.peers), c)
		}
	})
}
