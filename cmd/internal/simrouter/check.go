package simrouter

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/telcol/telcol/bmp"
)

// Tally counts what a [Checker] saw. Of the records of simulated devices, each is in Right, Unjoined or Wrong.
type Tally struct {
	Records    uint64 // of simulated devices, each counted once
	Right      uint64 // joined on both sides, and all as it should be
	Unjoined   uint64 // without a route on one side or both
	Wrong      uint64 // with something that is not what the router told
	Duplicates uint64 // seen before
	Misplaced  uint64 // from a slot that does not own the device, or from more than one
	Foreign    uint64 // of devices that are not simulated
	Unreadable uint64
	FirstWrong string // what was wrong with the first such record
}

// Bad gives the number of records that are not as they should be.
func (t *Tally) Bad() uint64 {
	return t.Unjoined + t.Wrong + t.Duplicates + t.Misplaced + t.Foreign + t.Unreadable
}

// Checker tells whether enriched flow records of simulated devices are right. It may be used by several goroutines.
type Checker struct {
	slot func(netip.Addr) int // nil: any one slot

	mu      sync.Mutex
	devices map[netip.Addr]*seen
	tally   Tally
}

// seen is what came of one device.
type seen struct {
	device  *Device
	records uint64
	slot    int // of the first record; -1 before
	window  window
}

// NewChecker makes a checker for the devices. slot gives the slot that owns an address; without it any slot is right as long as
// a device keeps to it.
func NewChecker(devices []*Device, slot func(netip.Addr) int) *Checker {
	c := &Checker{slot: slot, devices: make(map[netip.Addr]*seen)}
	for _, d := range devices {
		c.devices[d.Addr()] = &seen{device: d, slot: -1}
	}
	return c
}

// Tally gives the counts so far.
func (c *Checker) Tally() Tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tally
}

// Records gives how many different records of a device came.
func (c *Checker) Records(device netip.Addr) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.devices[device]; s != nil {
		return s.records
	}
	return 0
}

// answer is what the checker reads of a record; pointers where missing and zero differ.
type answer struct {
	Type       string     `json:"type"`
	RecordID   string     `json:"record_id"`
	Device     netip.Addr `json:"device"`
	DeviceName string     `json:"device_name"`
	Slot       int        `json:"slot"`
	Exported   time.Time  `json:"time_exported"`
	Sequence   uint32     `json:"sequence_num"`

	Src          netip.Addr `json:"src_addr"`
	Dst          netip.Addr `json:"dst_addr"`
	SrcPort      uint16     `json:"src_port"`
	DstPort      uint16     `json:"dst_port"`
	Proto        uint8      `json:"proto"`
	Bytes        uint64     `json:"bytes"`
	Packets      uint64     `json:"packets"`
	SamplingRate uint32     `json:"sampling_rate"`
	InIfName     string     `json:"in_if_name"`
	OutIfName    string     `json:"out_if_name"`
	VRFID        uint32     `json:"ingress_vrf_id"`
	VRFName      string     `json:"vrf_name"`
	RD           string     `json:"rd"`

	JoinSrc string `json:"join_src"`
	JoinDst string `json:"join_dst"`
	srcSide
	dstSide
}

type srcSide struct {
	Prefix  netip.Prefix `json:"src_prefix"`
	Path    []uint32     `json:"src_as_path"`
	Comms   []string     `json:"src_communities"`
	Ext     []string     `json:"src_ext_communities"`
	Large   []string     `json:"src_large_communities"`
	NextHop netip.Addr   `json:"src_next_hop"`
	Pref    uint32       `json:"src_local_pref"`
	RIB     string       `json:"src_rib"`
}

type dstSide struct {
	Prefix  netip.Prefix `json:"dst_prefix"`
	Path    []uint32     `json:"dst_as_path"`
	Comms   []string     `json:"dst_communities"`
	Ext     []string     `json:"dst_ext_communities"`
	Large   []string     `json:"dst_large_communities"`
	NextHop netip.Addr   `json:"dst_next_hop"`
	Pref    uint32       `json:"dst_local_pref"`
	RIB     string       `json:"dst_rib"`
}

// Check judges one record, a JSON object as telcol writes it, and counts it. The error says what is wrong with it.
func (c *Checker) Check(value []byte) error {
	var r answer
	err := json.Unmarshal(value, &r)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || r.Type != "flow" {
		return c.count(&c.tally.Unreadable, fmt.Errorf("not a flow record: %s", value))
	}
	s := c.devices[r.Device]
	if s == nil {
		return c.count(&c.tally.Foreign, fmt.Errorf("record of %s, which is not simulated", r.Device))
	}
	n, err := r.number(s.device)
	if err != nil {
		return c.count(&c.tally.Unreadable, err)
	}
	if !s.window.add(n) {
		return c.count(&c.tally.Duplicates, fmt.Errorf("%s record %s came twice", r.Device, r.RecordID))
	}
	s.records++
	c.tally.Records++
	return c.judge(s, &r, n)
}

func (c *Checker) judge(s *seen, r *answer, n uint32) error {
	if err := c.place(s, r); err != nil {
		_ = c.count(&c.tally.Misplaced, err)
	}
	if !joined(r.JoinSrc) || !joined(r.JoinDst) {
		return c.count(&c.tally.Unjoined, fmt.Errorf("%s record %s: join %s and %s, vrf %q", r.Device, r.RecordID, r.JoinSrc, r.JoinDst, r.VRFName))
	}
	if err := s.device.verify(r, n); err != nil {
		return c.count(&c.tally.Wrong, fmt.Errorf("%s record %s: %w", r.Device, r.RecordID, err))
	}
	c.tally.Right++
	return nil
}

func (c *Checker) count(counter *uint64, err error) error {
	*counter++
	if c.tally.FirstWrong == "" {
		c.tally.FirstWrong = err.Error()
	}
	return err
}

// place checks the slot of a record.
func (c *Checker) place(s *seen, r *answer) error {
	if s.slot < 0 {
		s.slot = r.Slot
	}
	if r.Slot != s.slot {
		return fmt.Errorf("%s came from slot %d and from slot %d", r.Device, s.slot, r.Slot)
	}
	if c.slot != nil && c.slot(r.Device) != r.Slot {
		return fmt.Errorf("%s came from slot %d, its slot is %d", r.Device, r.Slot, c.slot(r.Device))
	}
	return nil
}

func joined(status string) bool { return status == "hit" || status == "hit-next-hop" }

// number gives the number of the record's flow, from its id, "domain-time-sequence-octet", whose last part is where in its
// message the record begins.
func (r *answer) number(d *Device) (uint32, error) {
	var domain, exported, sequence uint32
	var octet int
	_, err := fmt.Sscanf(r.RecordID, "%d-%d-%d-%d", &domain, &exported, &sequence, &octet)
	if err == nil && sequence == r.Sequence {
		if n, ok := d.flowAt(sequence, octet); ok {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%s sent no record %q with sequence number %d", r.Device, r.RecordID, r.Sequence)
}

// verify compares a joined record with flow number n.
func (d *Device) verify(r *answer, n uint32) error {
	f := d.flow(n)
	for _, c := range [...]struct {
		what      string
		got, want any
	}{
		{"device_name", r.DeviceName, d.cfg.Name},
		{"src_addr", r.Src, f.src},
		{"dst_addr", r.Dst, f.dst},
		{"src_port", r.SrcPort, f.srcPort},
		{"dst_port", r.DstPort, f.dstPort},
		{"proto", r.Proto, f.proto},
		{"bytes", r.Bytes, f.bytes},
		{"packets", r.Packets, f.packets},
		{"sampling_rate", r.SamplingRate, uint32(samplingInterval)},
		{"in_if_name", r.InIfName, d.interfaceName(f.inIf)},
		{"out_if_name", r.OutIfName, d.interfaceName(f.outIf)},
		{"ingress_vrf_id", r.VRFID, d.vrfID(f.vrf)},
		{"vrf_name", r.VRFName, d.vrfName(f.vrf)},
		{"rd", r.RD, d.rdText(f.vrf)},
	} {
		if c.got != c.want {
			return fmt.Errorf("%s is %v, want %v", c.what, c.got, c.want)
		}
	}
	if err := d.verifySide(f.toward, f.src, srcSide(r.srcSide), r.Exported); err != nil {
		return fmt.Errorf("src %s: %w", f.src, err)
	}
	if err := d.verifySide(f.toward, f.dst, srcSide(r.dstSide), r.Exported); err != nil {
		return fmt.Errorf("dst %s: %w", f.dst, err)
	}
	return nil
}

// rdText is the rd field of a record; devices that do not name the global table have none there.
func (d *Device) rdText(vrf int) string {
	if d.vrfName(vrf) == "" {
		return ""
	}
	return d.rd(vrf).String()
}

// verifySide compares one side of a record with the routes of the device.
func (d *Device) verifySide(t *table, addr netip.Addr, got srcSide, exported time.Time) error {
	i, _ := t.find(addr)
	if want := t.prefix(i); got.Prefix != want {
		return fmt.Errorf("prefix %v, want %v", got.Prefix, want)
	}
	want := "adj-rib-in-post"
	if d.cfg.Dialect == LocRIB {
		want = "loc-rib"
	}
	if got.RIB != want {
		return fmt.Errorf("answer of %s, want %s", got.RIB, want)
	}
	d.mu.RLock()
	v, since := d.changesOf(t).versionOf(i)
	d.mu.RUnlock()
	err := compare(got, d.attributes(t, i, v))
	if err != nil && v > 0 && exported.UnixNano() < since+int64(grace) && compare(got, d.attributes(t, i, v-1)) == nil {
		return nil
	}
	return err
}

func compare(got srcSide, a *bmp.Attributes) error {
	switch {
	case !slices.Equal(got.Path, a.ASPath):
		return fmt.Errorf("AS path %v, want %v", got.Path, a.ASPath)
	case got.NextHop != a.NextHop:
		return fmt.Errorf("next hop %v, want %v", got.NextHop, a.NextHop)
	case got.Pref != a.LocalPref:
		return fmt.Errorf("local preference %d, want %d", got.Pref, a.LocalPref)
	}
	var comms, ext, large []string
	for _, c := range a.Communities {
		comms = append(comms, fmt.Sprintf("%d:%d", c>>16, c&0xffff))
	}
	for _, c := range a.ExtCommunities {
		ext = append(ext, fmt.Sprintf("rt:%d:%d", c>>32&0xffff, uint32(c)))
	}
	for _, c := range a.LargeCommunities {
		large = append(large, fmt.Sprintf("%d:%d:%d", c[0], c[1], c[2]))
	}
	for _, c := range [...]struct {
		what      string
		got, want []string
	}{{"communities", got.Comms, comms}, {"extended communities", got.Ext, ext}, {"large communities", got.Large, large}} {
		if !slices.Equal(c.got, c.want) {
			return fmt.Errorf("%s %v, want %v", c.what, c.got, c.want)
		}
	}
	return nil
}
