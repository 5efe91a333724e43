package correlate

import (
	"bytes"
	"slices"
	"testing"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
)

// owner is an Observer that applies each batch as soon as it is handed over, in the goroutine of the session: what a fuzzer sees depends
// on its input alone.
type owner struct {
	*Correlator
	out chan *Batch
}

func (owner) Message(bmp.Message, error) {}

func (o owner) Flush() {
	b := <-o.out
	o.Apply(b, testNow)
	b.Free()
}

// playAll runs a stream as one session of a device, to its end.
func playAll(c *Correlator, session uint64, stream []byte) error {
	o := owner{c, make(chan *Batch, 1)}
	cfg := FeedConfig{Session: session, MaxMessage: 1 << 16, Now: func() int64 { return testNow }, Observer: o}
	return NewFeed(device1, cfg, o.out).Run(bytes.NewReader(stream))
}

// FuzzFeed plays any octets as sessions of a device and checks that what came in is what is held, was replaced or is counted as lost.
func FuzzFeed(f *testing.F) {
	p, vpn := globalPeer(0), rdPeer(7)
	stats := report(p, bmp.Statistic{Type: bmp.StatAdjRIBInFamily, Family: bgp.IPv4Unicast, Value: 9}, bmp.Statistic{Type: bmp.StatLocRIB, Value: 1})
	f.Add(slices.Concat(peerUp(p), routes(p, 0, 3), endOfRIB(p), stats, stats, stats), routes(p, 1, 1))
	f.Add(slices.Concat(peerUp(vpn), routes(vpn, 0, 9), peerDown(vpn, 3)), slices.Concat(peerUp(p), endOfRIB(p), bmp.AppendTermination(nil, &bmp.Termination{})))
	f.Add(routes(locRIB(0), 0, 2), []byte("GET / HTTP/1.0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		c, err := New(Config{MaxRoutes: 8, DriftReports: 1, DriftRoutes: 1}, func(*Record) {})
		if err != nil {
			t.Fatal(err)
		}
		for i, stream := range [][]byte{first, second} {
			if err := playAll(c, uint64(i)+1, stream); err == nil {
				t.Fatal("a session ended without a reason")
			}
		}
		n, held := c.Counters().BMP, c.devices[device1].rib.Stats()
		var ended uint64
		for _, k := range n.Ended {
			ended += k
		}
		if n.Sessions != 2 || ended != 2 || c.Totals().BMPSessions != 0 {
			t.Errorf("%d sessions, %d ended, %d open", n.Sessions, ended, c.Totals().BMPSessions)
		}
		var refused uint64
		for _, k := range n.Refused {
			refused += k
		}
		if refused != n.Decoded.Malformed || n.Refused[FaultPanic] != 0 {
			t.Errorf("%d refused, %+v", refused, n)
		}
		if taken := held.Announced + held.Replaced + held.Refreshed; n.Announced != taken+n.RoutesRefused+n.Superseded {
			t.Errorf("%d announced, %d taken, %d refused, %d superseded", n.Announced, taken, n.RoutesRefused, n.Superseded)
		}
		if c.Totals().DriftDevices != 0 {
			t.Error("drift without a session")
		}
	})
}
