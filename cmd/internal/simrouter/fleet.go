package simrouter

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"sync"
)

// Fleet is routers that are played together.
type Fleet []*Router

// FleetConfig says how the routers of a fleet are told apart.
type FleetConfig struct {
	Routers int
	First   netip.Addr // IPv4 address of the first, default 127.1.1.1; the others differ in the third octet, then in the second
	Rate    float64    // flow records a second of all together
	Each    Config     // of every router; address, name, seed, dialect and rate are set
	Seed    uint64
}

// maxFleet keeps the second octet of the addresses within a range of 100.
const maxFleet = 25_000

// NewFleet makes routers of all dialects, with no VRF, one and two.
func NewFleet(cfg FleetConfig) (Fleet, error) {
	if !cfg.First.IsValid() {
		cfg.First = netip.AddrFrom4([4]byte{127, 1, 1, 1})
	}
	switch {
	case cfg.Routers < 1 || cfg.Routers > maxFleet:
		return nil, fmt.Errorf("%w: %d routers, want 1 to %d", ErrDevice, cfg.Routers, maxFleet)
	case !(cfg.Rate >= 0) || math.IsInf(cfg.Rate, 1) || !(cfg.Each.Churn >= 0) || math.IsInf(cfg.Each.Churn, 1):
		return nil, fmt.Errorf("%w: rate %v and churn %v, want 0 or more", ErrDevice, cfg.Rate, cfg.Each.Churn)
	case !cfg.First.Is4():
		return nil, fmt.Errorf("%w: the first address %v is not IPv4", ErrDevice, cfg.First)
	}
	fleet := make(Fleet, cfg.Routers)
	for i := range fleet {
		c := cfg.Each
		c.Rate = cfg.Rate / float64(cfg.Routers)
		c.Device.Addr, c.Device.Seed = fleetAddr(cfg.First, i), cfg.Seed
		c.Device.Name = fmt.Sprintf("%s-%s%d", sites[i/3%len(sites)], roles[i%3], 1+i/(3*len(sites)))
		c.Device.Dialect, c.Device.VRFs = Dialect(i%int(numDialects)), (i/int(numDialects)+1)%3
		var err error
		if fleet[i], err = New(c); err != nil {
			return nil, err
		}
	}
	return fleet, nil
}

func fleetAddr(first netip.Addr, i int) netip.Addr {
	b := first.As4()
	third := int(b[2]) - 1 + i
	b[1] += byte(third / 250)
	b[2] = byte(1 + third%250)
	return netip.AddrFrom4(b)
}

var (
	sites = [...]string{"ams", "ber", "cdg", "dub", "fra", "hel", "lis", "mad", "mil", "osl", "prg", "rom", "sof", "vie", "waw", "zrh"}
	roles = [...]string{"core", "edge", "pe"}
)

// Devices gives what the routers play.
func (f Fleet) Devices() []*Device {
	list := make([]*Device, len(f))
	for i, r := range f {
		list[i] = r.Device()
	}
	return list
}

// Run plays all routers until ctx ends, or until one cannot run.
func (f Fleet) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, r := range f {
		wg.Go(func() {
			if err := r.Run(ctx); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return ownCause(ctx)
}

// StartFlows lets all routers begin to send flows.
func (f Fleet) StartFlows() {
	for _, r := range f {
		r.StartFlows()
	}
}

// Pause holds the flows of all routers back, or lets them go on.
func (f Fleet) Pause(on bool) {
	for _, r := range f {
		r.Pause(on)
	}
}

// StopFlows ends the flows of all routers and returns when the last was sent.
func (f Fleet) StopFlows(ctx context.Context) {
	var wg sync.WaitGroup
	for _, r := range f {
		wg.Go(func() { r.StopFlows(ctx) })
	}
	wg.Wait()
}

// Connected gives the number of routers whose BMP session stands.
func (f Fleet) Connected() int {
	n := 0
	for _, r := range f {
		if r.Connected() {
			n++
		}
	}
	return n
}

// Routes gives the number of routes that the routers tell at present.
func (f Fleet) Routes() int {
	n := 0
	for _, r := range f {
		n += r.Device().Routes()
	}
	return n
}

// Sent gives what all routers sent.
func (f Fleet) Sent() Sent {
	var sum Sent
	for _, r := range f {
		s := r.Sent()
		sum.BMPSessions += s.BMPSessions
		sum.BMPBytes += s.BMPBytes
		sum.Datagrams += s.Datagrams
		sum.Records += s.Records
		sum.Bytes += s.Bytes
		sum.Errors += s.Errors
	}
	return sum
}
