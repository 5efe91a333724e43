package steering

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Report is what a worker tells of itself every second or so, in a place that
// everyone who may look at the group can read. Its age is the worker's heartbeat.
// The layout is that of the pinned map: fixed, new fields come from reserved ones.
type Report struct {
	Beat       uint64 `json:"-"` // when it was told, in nanoseconds of CLOCK_BOOTTIME
	PID        uint32 `json:"pid"`
	Program    uint32 `json:"program"`    // revision of the program that its sockets were given
	Generation uint32 `json:"generation"` // of the table that it has taken up
	_          uint32

	Devices      uint64 `json:"devices"`      // known now
	Sessions     uint64 `json:"sessions"`     // open now, over TCP
	Datagrams    uint64 `json:"datagrams"`    // read
	ReceiveDrops uint64 `json:"receiveDrops"` // datagrams dropped by the kernel because a receive buffer was full
	Foreign      uint64 `json:"foreign"`      // datagrams of other slots' devices; must be 0
	ForeignConns uint64 `json:"foreignConns"` // connections of other slots' devices; must be 0
	Moved        uint64 `json:"moved"`        // connections closed because their device belongs to another slot now
	Probes       uint64 `json:"probes"`       // datagrams and connections of a self-test
	Rate         uint64 `json:"rate"`         // datagrams a second, lately
	Cookie       uint64 `json:"-"`            // of one of its sockets, see [Claim.Cookie]: whoever holds the slot by then, the report is of that one

	Reserved [12]uint64 `json:"-"`
}

const reportSize = 200

// Age returns how long ago the report was told.
func (r *Report) Age() time.Duration { return max(bootTime()-time.Duration(r.Beat), 0) }

// StuckAfter is how long the worker in a slot may tell nothing until it counts as stuck, or stopped. It tells every second that its
// devices are looked after.
const StuckAfter = 10 * time.Second

// stuck reports whether the report is of the holder of one of these sockets, and old. A holder that has not told anything yet has
// just come.
func (r *Report) stuck(cookies []uint64) bool {
	return r != nil && r.Cookie != 0 && slices.Contains(cookies, r.Cookie) && r.Age() > StuckAfter
}

// bootTime is the time since boot, of suspension too; it is the same in all
// processes and network namespaces.
func bootTime() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// Publish tells the group about the worker in a slot, which must be the caller.
func (g *Group) Publish(slot int, r Report) error {
	if slot < 0 || slot >= MaxSlots {
		return fmt.Errorf("%w: %d", ErrSlotRange, slot)
	}
	r.Beat = uint64(bootTime())
	if err := g.maps.workers.Update(uint32(slot), &r, ebpf.UpdateAny); err != nil {
		return fmt.Errorf("report of slot %d: %w", slot, kind(err))
	}
	return nil
}

// Reports returns the last report of each slot's worker, dead or alive; nil where
// there never was one.
func (g *Group) Reports() ([]*Report, error) { return g.reports(g.Slots()) }

func (g *Group) reports(slots int) ([]*Report, error) {
	all := make([]*Report, slots)
	for slot := range all {
		r := new(Report)
		if err := g.maps.workers.Lookup(uint32(slot), r); err != nil {
			return nil, fmt.Errorf("report of slot %d: %w", slot, kind(err))
		}
		if r.Beat != 0 {
			all[slot] = r
		}
	}
	return all, nil
}

// Device is a source that a worker has taken data of.
type Device struct {
	Addr netip.Addr
	Slot int           // whose worker told it
	Age  time.Duration // since it was told last
}

// sighting is a device as it is kept.
type sighting struct {
	Seen uint64 // CLOCK_BOOTTIME, nanoseconds
	Slot uint32
	_    uint32
}

const maxDevices = 32768

// Sight tells the group that the worker in a slot has taken data of these sources.
// The group remembers as many as 32768, those told last.
func (g *Group) Sight(slot int, addrs []netip.Addr) error {
	v := sighting{Seen: uint64(bootTime()), Slot: uint32(slot)}
	for _, a := range addrs {
		if err := g.maps.devices.Update(&steerAddress{Bytes: a.Unmap().WithZone("").As16()}, &v, ebpf.UpdateAny); err != nil {
			return fmt.Errorf("tell device %s: %w", a, kind(err))
		}
	}
	return nil
}

// Devices returns the sources that workers have told lately, in order of address.
func (g *Group) Devices(notBefore time.Duration) ([]Device, error) {
	var (
		now   = bootTime()
		found []Device
		addr  steerAddress
		v     sighting
		it    = g.maps.devices.Iterate()
	)
	for it.Next(&addr, &v) {
		if age := max(now-time.Duration(v.Seen), 0); age <= notBefore {
			found = append(found, Device{netip.AddrFrom16(addr.Bytes).Unmap(), int(v.Slot), age})
		}
	}
	// Sources come and go while they are read.
	if err := it.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) {
		return nil, fmt.Errorf("read devices: %w", kind(err))
	}
	slices.SortFunc(found, func(a, b Device) int { return a.Addr.Compare(b.Addr) })
	return slices.CompactFunc(found, func(a, b Device) bool { return a.Addr == b.Addr }), nil
}

func workersSpec() *ebpf.MapSpec {
	return &ebpf.MapSpec{Name: "workers", Type: ebpf.Array, KeySize: 4, ValueSize: reportSize, MaxEntries: MaxSlots}
}

func devicesSpec() *ebpf.MapSpec {
	return &ebpf.MapSpec{Name: "devices", Type: ebpf.LRUHash, KeySize: 16, ValueSize: 16, MaxEntries: maxDevices}
}
