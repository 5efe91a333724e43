package correlate

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/ipfix"
)

// endedFlow is a message with the template and one flow to 10.1.3.4, exported now and ended at a time that is kept in milliseconds.
func endedFlow(t testing.TB, now, end int64) []byte {
	t.Helper()
	var m ipfix.Builder
	m.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: now, Domain: 1})
	m.Template(256, ipfix.Field{ID: 153, Len: 8}, ipfix.Field{ID: 8, Len: 4}, ipfix.Field{ID: 12, Len: 4})
	m.Set(256)
	m.Uint(uint64(end/1e6), 8)
	m.Addr(addr("10.9.2.3"))
	m.Addr(addr("10.1.3.4"))
	msg, err := m.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func at(p *bmp.Peer, time int64) *bmp.Peer {
	q := *p
	q.Time = time
	return &q
}

// A more specific route comes, changes and goes every few seconds. Flows arrive up to five minutes late, in no order: each names the
// route that was valid when it ended, also if BMP gives no times of its own.
func TestRoutesAreThoseOfTheFlowsEnd(t *testing.T) {
	for _, stamped := range []bool{true, false} {
		t.Run(fmt.Sprintf("stamped=%v", stamped), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(4, 2))
			c, got := holdBench(t, Config{RIBWait: -1})
			s := openFeed(t, c, device1, 1, testNow)
			stamp := func(now int64) *bmp.Peer {
				if stamped {
					return at(locRIB(0), now)
				}
				return at(locRIB(0), 0)
			}
			s.tell(testNow, peerUp(stamp(testNow)), route(stamp(testNow), "10.0.0.0/8", 1, "203.0.113.1"), endOfRIB(stamp(testNow)))
			type period struct {
				from int64
				as   uint32
			}
			periods := []period{{testNow, 1}}
			flows, old := 0, 0
			for now := testNow + 10*second; now < testNow+400*second; now += second/2 + rnd.Int64N(4*second) {
				as := uint32(1)
				if rnd.IntN(3) > 0 {
					as = 100 + rnd.Uint32N(5)
				}
				p := stamp(now)
				if as == 1 {
					s.tell(now, bmp.AppendRouteMonitoring(nil, p, []bgp.NLRI{{Prefix: prefix("10.1.0.0/16"), Family: unicast("10.1.0.0/16")}}, nil, nil))
				} else {
					s.tell(now, route(p, "10.1.0.0/16", as, "203.0.113.1"))
				}
				periods = append(periods, period{now, as})
				for range 5 {
					end := now - rnd.Int64N(min(300*second, now-testNow))
					end -= end % 1e6
					want := uint32(0)
					for _, p := range periods {
						if p.from <= end {
							want = p.as
						}
					}
					*got = (*got)[:0]
					message(t, c, device1, endedFlow(t, now, end), now)
					r := (*got)[0]
					if lastAS(&r.Dst) != want || !r.AsOfFlowEnd {
						t.Fatalf("a flow that ended %v ago met AS %d, want %d; as of its end: %v", time.Duration(now-end), lastAS(&r.Dst), want, r.AsOfFlowEnd)
					}
					flows++
					if want != as {
						old++
					}
				}
				c.Tick(now, 1000)
			}
			if old < flows/4 {
				t.Errorf("only %d of %d flows needed the history", old, flows)
			}
			if q := c.Counters().Quality; q.AsOf != uint64(flows) {
				t.Errorf("%d counted as of their end, want %d", q.AsOf, flows)
			}
		})
	}
}

func TestWhenTheRoutesOfNowAnswer(t *testing.T) {
	flip := func(t *testing.T, cfg Config) (*Correlator, *[]Record) {
		cfg.RIBWait = -1
		c, got := holdBench(t, cfg)
		s := openFeed(t, c, device1, 1, testNow)
		s.tell(testNow, peerUp(locRIB(0)), route(at(locRIB(0), testNow), "10.1.0.0/16", 1, "203.0.113.1"), endOfRIB(locRIB(0)))
		s.tell(testNow+100*second, route(at(locRIB(0), testNow+100*second), "10.1.0.0/16", 2, "203.0.113.1"))
		return c, got
	}
	now := testNow + 200*second
	tests := []struct {
		name string
		cfg  Config
		msg  func(t *testing.T) []byte
		as   uint32
		asOf bool
	}{
		{"end known", Config{}, func(t *testing.T) []byte { return endedFlow(t, now, testNow+50*second) }, 1, true},
		{"clock off by more than allowed", Config{}, func(t *testing.T) []byte { return endedFlow(t, now-31*second, testNow+50*second) }, 2, false},
		{"clock off by less", Config{ClockTolerance: time.Minute}, func(t *testing.T) []byte { return endedFlow(t, now-31*second, testNow+50*second) }, 1, true},
		{"ends after its export", Config{}, func(t *testing.T) []byte { return endedFlow(t, now, now+5*second) }, 2, false},
		{"no history", Config{History: -1}, func(t *testing.T) []byte { return endedFlow(t, now, testNow+50*second) }, 2, false},
		{"no end", Config{}, func(t *testing.T) []byte {
			msg := plainFlows(t, 0, 1)
			msg[4], msg[5], msg[6], msg[7] = byte(now/1e9>>24), byte(now/1e9>>16), byte(now/1e9>>8), byte(now/1e9)
			return msg
		}, 2, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, got := flip(t, tt.cfg)
			message(t, c, device1, tt.msg(t), now)
			r := (*got)[0]
			if lastAS(&r.Dst) != tt.as || r.AsOfFlowEnd != tt.asOf {
				t.Errorf("AS %d, as of the end %v; want %d, %v", lastAS(&r.Dst), r.AsOfFlowEnd, tt.as, tt.asOf)
			}
			wantOff := 0
			if tt.name == "clock off by more than allowed" {
				wantOff = 1
			}
			if n := c.Totals().ClocksOff; n != wantOff {
				t.Errorf("%d clocks are off, want %d", n, wantOff)
			}
		})
	}
}
