package simrouter

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/telcol/telcol/correlate/rib"
)

// Dialect is the manner in which a device tells its routes.
type Dialect uint8

// The dialects.
const (
	LocRIB   Dialect = iota // a Loc-RIB for each VRF (RFC 9069), with an Adj-RIB-In beside it
	AdjRIBIn                // Adj-RIB-In after policy; VRFs by peers with a route distinguisher
	VPN                     // as AdjRIBIn, but VRFs by VPN routes of a route reflector
	numDialects
)

// DeviceConfig says what a device is. Devices of equal configurations send the same.
type DeviceConfig struct {
	Addr    netip.Addr // source address; the device's identity
	Name    string     // sysName; made from the address when empty
	Seed    uint64
	Dialect Dialect
	Routes  int // of the global table, both families together, default 2000; a VRF has a quarter
	VRFs    int // beside the global table, 0 to 8
}

// Limits of a DeviceConfig. A table must not grow into the next one's addresses.
const (
	MinRoutes     = 4 * cycle
	MaxRoutes     = 200_000
	MaxVRFs       = 8
	DefaultRoutes = 2000
)

// ErrDevice reports a device that cannot be.
var ErrDevice = errors.New("simulated router")

// Device is a router without its sockets: what it sends, and the right answers. The Append methods of BMP and those of IPFIX may
// each be used by one goroutine; checking may go on beside them.
type Device struct {
	cfg    DeviceConfig
	tables []table // two for each VRF, IPv4 and IPv6

	bmp   bmpState
	flows flowState

	mu      sync.RWMutex
	changes []changes // by table
	turn    int       // of the next change
}

// NewDevice makes a device.
func NewDevice(cfg DeviceConfig) (*Device, error) {
	if cfg.Routes == 0 {
		cfg.Routes = DefaultRoutes
	}
	switch {
	case cfg.Routes < MinRoutes || cfg.Routes > MaxRoutes:
		return nil, fmt.Errorf("%w: %d routes, want %d to %d", ErrDevice, cfg.Routes, MinRoutes, MaxRoutes)
	case cfg.VRFs < 0 || cfg.VRFs > MaxVRFs:
		return nil, fmt.Errorf("%w: %d VRFs, want 0 to %d", ErrDevice, cfg.VRFs, MaxVRFs)
	case cfg.Dialect >= numDialects:
		return nil, fmt.Errorf("%w: no dialect %d", ErrDevice, cfg.Dialect)
	}
	if cfg.Name == "" {
		cfg.Name = "sim-" + cfg.Addr.String()
	}
	cfg.Seed = mix(cfg.Seed, hashAddr(cfg.Addr))
	d := &Device{cfg: cfg}
	for vrf := range cfg.VRFs + 1 {
		routes := cfg.Routes
		if vrf > 0 {
			routes = max(cfg.Routes/4, MinRoutes)
		}
		d.tables = append(d.tables, newTable(vrf, v4, routes-routes/4), newTable(vrf, v6, routes/4))
	}
	d.changes = make([]changes, len(d.tables))
	for i := range d.tables {
		d.changes[i] = newChanges(d.tables[i].routes)
	}
	return d, nil
}

func hashAddr(a netip.Addr) uint64 {
	_, high := number(a)
	b := a.As16()
	return mix(high, uint64(b[15]), uint64(b[14]))
}

// Addr gives the device's address.
func (d *Device) Addr() netip.Addr { return d.cfg.Addr }

// Name gives the device's sysName.
func (d *Device) Name() string { return d.cfg.Name }

// table gives the table of a VRF and family.
func (d *Device) table(vrf int, f family) *table { return &d.tables[2*vrf+int(f)] }

// Routes gives the number of routes that a complete dump tells, those in views that must not answer included.
func (d *Device) Routes() int {
	n := -d.Away()
	for i := range d.tables {
		n += d.tables[i].routes
	}
	for _, f := range [...]family{v4, v6} {
		n += (d.table(0, f).routes + decoyEvery - 1) / decoyEvery
	}
	return n
}

// vrfID gives the id by which flows name a VRF. Some routers number the default VRF too.
func (d *Device) vrfID(vrf int) uint32 {
	switch {
	case d.cfg.Dialect == LocRIB:
		return 0x60000000 + uint32(vrf)
	case vrf == 0:
		return 0
	}
	return 10 + uint32(vrf)
}

// vrfName gives the name of a VRF, "" where the device has none for the global table.
func (d *Device) vrfName(vrf int) string {
	switch {
	case vrf > 0:
		return fmt.Sprintf("customer-%c", 'a'+vrf-1)
	case d.cfg.Dialect == LocRIB:
		return "default"
	}
	return ""
}

// rd gives the route distinguisher of a VRF. The three types of RFC 4364 section 4.2 are all in use.
func (d *Device) rd(vrf int) rib.RD {
	if vrf == 0 {
		return 0
	}
	id := uint64(d.routerID())
	switch d.cfg.Dialect {
	case LocRIB:
		return rib.RD(2<<48 | (originAS+id&0xffff)<<16 | uint64(vrf))
	case AdjRIBIn:
		return rib.RD(1<<48 | id<<16 | uint64(vrf))
	default:
		return rib.RD(ownAS<<32 | (id&0xffff)<<8 | uint64(vrf))
	}
}

// routerID is the BGP identifier, of which each device has its own.
func (d *Device) routerID() uint32 {
	if d.cfg.Addr.Is4() {
		_, n := number(d.cfg.Addr)
		return uint32(n)
	}
	return uint32(hashAddr(d.cfg.Addr))
}

// interfaces is the number of interfaces of a device; their indices start at 1.
const interfaces = 8

func (d *Device) interfaceName(index uint32) string {
	if d.cfg.Dialect == LocRIB {
		return fmt.Sprintf("HundredGigE0/0/0/%d", index)
	}
	return fmt.Sprintf("et-0/0/%d", index)
}
