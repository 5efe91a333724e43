package correlate

import (
	"net/netip"
	"testing"

	"github.com/telcol/telcol/ipfix"
)

// A device that is another worker's now does not stay for templates that go there, but for its session and for flows that wait.
func TestDrop(t *testing.T) {
	data := func(t *testing.T) []byte {
		var m ipfix.Builder
		m.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: testNow, Domain: 1})
		m.Set(256)
		m.Uint(1, 4)
		return finish(t, &m)
	}
	for _, tt := range []struct {
		name string
		tell func(*Correlator)
		stay int
		lost uint64
	}{
		{"data that waits for its template", func(c *Correlator) { message(t, c, device1, data(t), testNow) }, 0, 1},
		{"session", func(c *Correlator) { openFeed(t, c, device1, 1, testNow) }, 1, 0},
		{"flows that wait", func(c *Correlator) {
			openFeed(t, c, device1, 1, testNow).close(testNow)
			c.devices[device1].await(testNow + 1)
			message(t, c, device1, plainFlows(t, 0, 1), testNow)
		}, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := holdBench(t, Config{})
			tt.tell(c)
			openFeed(t, c, device2, 2, testNow).close(testNow)
			dropped, stay := c.Drop(func(a netip.Addr) bool { return a == device1 })
			if dropped != 1-tt.stay || stay != tt.stay || c.Knows(device1) != (stay > 0) || !c.Knows(device2) {
				t.Errorf("%d dropped, %d stay", dropped, stay)
			}
			if n := c.Counters().IPFIX.EndedSets; n != tt.lost {
				t.Errorf("%d sets lost, want %d", n, tt.lost)
			}
		})
	}
}
