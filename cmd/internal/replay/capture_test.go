package replay

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	wire "github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/cmd/internal/pcapfile"
)

// tally is what the BMP sessions of a capture tell.
type tally struct {
	Initiations, PeerUps, PeerDowns, Statistics, Announced, Withdrawn, EndOfRIBs int
}

// TestCapturedBMP decodes every BMP message of the captures of real routers (Cisco, Huawei, FRR) that TELCOL_ORACLE names: none is refused,
// nothing in one is unknown, and there is as much of everything as the expected output has.
func TestCapturedBMP(t *testing.T) {
	dir := os.Getenv("TELCOL_ORACLE")
	if dir == "" {
		t.Skip("TELCOL_ORACLE names no folder of captures")
	}
	expected, err := filepath.Glob(filepath.Join(dir, "captures", "*", "output-bmp-00.json"))
	if err != nil || len(expected) == 0 {
		t.Fatalf("no capture of BMP in %s: %v", dir, err)
	}
	for _, e := range expected {
		dir := filepath.Dir(e)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var got tally
			captures, _ := filepath.Glob(filepath.Join(dir, "traffic-*.pcap"))
			for _, name := range captures {
				for from, octets := range bmpStreams(t, name) {
					got.read(t, from, octets)
				}
			}
			want := expectedTally(t, dir)
			t.Logf("got %+v", got)
			// A withdrawal of a route that was never told is not in the expected output.
			if got.Withdrawn < want.Withdrawn {
				t.Errorf("%d withdrawn, want at least %d", got.Withdrawn, want.Withdrawn)
			}
			got.Withdrawn = want.Withdrawn
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// bmpStreams puts the TCP streams of a capture together.
func bmpStreams(t *testing.T, name string) map[netip.AddrPort][]byte {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := pcapfile.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	streams, out := make(map[netip.AddrPort]*pcapfile.Stream), make(map[netip.AddrPort][]byte)
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.Proto != pcapfile.TCP {
			continue
		}
		s := streams[p.Src]
		if s == nil {
			s = new(pcapfile.Stream)
			streams[p.Src] = s
		}
		if err := s.Push(p, func(b []byte) error { out[p.Src] = append(out[p.Src], b...); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for from, s := range streams {
		if s.Missing() {
			t.Errorf("%v: a part of the stream is missing", from)
		}
	}
	return out
}

// read decodes one session.
func (n *tally) read(t *testing.T, from netip.AddrPort, octets []byte) {
	t.Helper()
	r, s := wire.NewReader(bytes.NewReader(octets), 0, nil), wire.NewSession(wire.Config{})
	for {
		msg, err := r.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // some recordings stop within a message
			break
		}
		if err != nil {
			t.Fatalf("%v: %v", from, err)
		}
		m, err := s.Decode(msg)
		if err != nil {
			t.Errorf("%v: %v in %x", from, err, msg)
		}
		if m, ok := m.(*wire.RouteMonitoring); ok {
			n.Withdrawn += len(m.Withdrawn)
			for _, a := range m.Announced {
				n.Announced += len(a.NLRI)
			}
			if m.EndOfRIB != 0 {
				n.EndOfRIBs++
			}
		}
	}
	c := s.Counters()
	n.Initiations += int(c.Messages[wire.TypeInitiation])
	n.PeerUps += int(c.Messages[wire.TypePeerUp])
	n.PeerDowns += int(c.Messages[wire.TypePeerDown])
	n.Statistics += int(c.Statistics)
	odd := c.UnknownTLVs + c.OddStatistics + c.BadOpens + c.PeersRefused + c.Trailing + c.BGP.Panics + c.Messages[wire.TypeUnknown]
	if odd != 0 || c.BGP.Outcomes[0] != c.BGP.Updates {
		t.Errorf("%v: counters %+v", from, c)
	}
}

// expectedTally counts the lines of the expected output.
func expectedTally(t *testing.T, dir string) (n tally) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "output-bmp-*.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no expected output: %v", err)
	}
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			var l struct {
				Type string `json:"bmp_msg_type"`
				Log  string `json:"log_type"`
			}
			if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
				t.Fatal(err)
			}
			n.expect(l.Type, l.Log)
		}
	}
	return n
}

func (n *tally) expect(typ, log string) {
	switch typ + log {
	case "init":
		n.Initiations++
	case "peer_up":
		n.PeerUps++
	case "peer_down":
		n.PeerDowns++
	case "stats":
		n.Statistics++
	case "route_monitorupdate":
		n.Announced++
	case "route_monitorwithdraw":
		n.Withdrawn++
	case "route_monitorend-of-rib":
		n.EndOfRIBs++
	}
}
