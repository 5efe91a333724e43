package steering

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

const (
	// layoutVersion is raised whenever the meaning of a pinned map changes without
	// its sizes doing so.
	layoutVersion = 2

	flagAliases = 1 // FLAG_ALIASES in steer.c
	flagAllow   = 2 // FLAG_ALLOW in steer.c
)

// shared are the maps that all listeners of a group have in common.
type shared struct {
	config, buckets, aliases, allow *ebpf.Map // the program reads these too
	plan, pinned                    *ebpf.Map // what the table was made from, see plan.go
	told, saved                     *ebpf.Map // which aliases are not to be saved; where the rest is, see keyfile.go
	devices, workers                *ebpf.Map // what workers tell, see report.go
}

func (s *shared) close() {
	// Closing a nil *ebpf.Map is allowed.
	for _, m := range []*ebpf.Map{s.config, s.buckets, s.aliases, s.allow, s.plan, s.pinned, s.told, s.saved, s.devices, s.workers} {
		m.Close()
	}
}

// settings reads the group's settings.
func (s *shared) settings() (steerSettings, error) {
	var set steerSettings
	if err := s.config.Lookup(uint32(0), &set); err != nil {
		return set, fmt.Errorf("read settings: %w", kind(err))
	}
	return set, nil
}

func (s *shared) writeSettings(set steerSettings) error {
	if err := s.config.Update(uint32(0), &set, ebpf.UpdateAny); err != nil {
		return fmt.Errorf("write settings: %w", kind(err))
	}
	return nil
}

// readBuckets reads the whole table.
func (s *shared) readBuckets() ([]uint16, error) {
	var (
		cursor ebpf.MapBatchCursor
		keys   = make([]uint32, Buckets)
		slots  = make([]uint16, Buckets)
		n      int
	)
	for n < Buckets {
		got, err := s.buckets.BatchLookup(&cursor, keys[n:], slots[n:], nil)
		n += got
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read buckets: %w", kind(err))
		}
	}
	if n != Buckets {
		return nil, fmt.Errorf("read buckets: %d of %d", n, Buckets)
	}
	return slots, nil
}

// writeBuckets writes what differs from the table before, everything if there is
// none. Readers may see it half written: each bucket changes at once and only once.
func (s *shared) writeBuckets(before, after []uint16) error {
	var keys []uint32
	var slots []uint16
	for b, slot := range after {
		if before == nil || before[b] != slot {
			keys, slots = append(keys, uint32(b)), append(slots, slot)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	if _, err := s.buckets.BatchUpdate(keys, slots, nil); err != nil {
		return fmt.Errorf("write buckets: %w", kind(err))
	}
	return nil
}

// sharedMap is one of the maps of a group, and where it is kept.
type sharedMap struct {
	pin  string
	spec *ebpf.MapSpec
	to   **ebpf.Map
	own  bool // the workers' user writes it
}

// list names all maps, config last: a group exists once it is pinned.
func (s *shared) list() ([]sharedMap, error) {
	spec, err := loadSteer()
	if err != nil {
		return nil, err
	}
	return []sharedMap{
		{pinBuckets, spec.Maps[pinBuckets], &s.buckets, false},
		{pinAliases, spec.Maps[pinAliases], &s.aliases, false},
		{pinAllow, spec.Maps[pinAllow], &s.allow, false},
		{pinPlan, planSpec(), &s.plan, false},
		{pinPinned, pinnedSpec(), &s.pinned, false},
		{pinTold, toldSpec(), &s.told, false},
		{pinSaved, savedSpec(), &s.saved, false},
		{pinDevices, devicesSpec(), &s.devices, true},
		{pinWorkers, workersSpec(), &s.workers, true},
		{pinConfig, spec.Maps[pinConfig], &s.config, false},
	}, nil
}

// original reports whether groups of all versions have the map.
func (m *sharedMap) original() bool {
	return m.pin == pinConfig || m.pin == pinBuckets || m.pin == pinAliases
}

// lacks says what it means that a map cannot be opened.
func (p pins) lacks(m sharedMap, err error) error {
	if !m.original() && errors.Is(err, fs.ErrNotExist) {
		// The config goes first when a group is removed.
		if _, gone := os.Lstat(p.file(pinConfig)); gone == nil {
			return fmt.Errorf("steering group %q was %w", p.name, ErrOutdated)
		}
	}
	return p.missing(err)
}

// openShared opens a group's maps and checks that they are ours. It returns
// ErrNoGroup when the group is not, or not completely, there, and ErrOutdated when it
// only lacks what an older version did not have. What workers write
// is opened for writing where the file modes allow it.
func (p pins) openShared(readOnly bool) (_ *shared, err error) {
	s := &shared{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	all, err := s.list()
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		*m.to, err = openMap(p.file(m.pin), m.spec, readOnly && !m.own)
		if m.own && readOnly && errors.Is(err, unix.EACCES) {
			*m.to, err = openMap(p.file(m.pin), m.spec, true)
		}
		if err != nil {
			return nil, p.lacks(m, err)
		}
	}
	set, err := s.settings()
	if err != nil {
		return nil, err
	}
	if set.Layout != layoutVersion {
		return nil, fmt.Errorf("steering group %q: %w: layout %d, not %d", p.name, ErrIncompatible, set.Layout, layoutVersion)
	}
	return s, nil
}

// complete adds the maps that a group made by an older version does not have. The
// caller holds the lock.
func (p pins) complete() error {
	if _, err := os.Lstat(p.file(pinConfig)); err != nil {
		return p.missing(err)
	}
	all, err := new(shared).list()
	if err != nil {
		return err
	}
	for _, m := range all {
		_, err := os.Lstat(p.file(m.pin))
		if !errors.Is(err, fs.ErrNotExist) || m.original() {
			continue
		}
		fresh, err := ebpf.NewMap(m.spec)
		if err != nil {
			return fmt.Errorf("create map: %w", kind(err))
		}
		err = pinNew(fresh, p.file(m.pin))
		fresh.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func openMap(path string, spec *ebpf.MapSpec, readOnly bool) (*ebpf.Map, error) {
	m, err := ebpf.LoadPinnedMap(path, &ebpf.LoadPinOptions{ReadOnly: readOnly})
	if err != nil {
		return nil, err
	}
	if err := spec.Compatible(m); err != nil {
		m.Close()
		return nil, fmt.Errorf("%s: %w: %w", path, ErrIncompatible, err)
	}
	return m, nil
}

// createShared makes and pins the maps of a new group, over what an interrupted
// creation may have left. The group is what was saved.
func (p pins) createShared(set steerSettings, from *Saved, rec *fileRecord) (_ *shared, err error) {
	s := &shared{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	all, err := s.list()
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		if *m.to, err = ebpf.NewMap(m.spec); err != nil {
			return nil, fmt.Errorf("create map: %w", kind(err))
		}
	}
	if err := s.fill(&set, from); err != nil {
		return nil, err
	}
	if err := errors.Join(s.writeRecord(rec), s.writeSettings(set)); err != nil {
		return nil, err
	}
	for _, m := range all {
		if err := pinNew(*m.to, p.file(m.pin)); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// fill writes what was saved to empty maps.
func (s *shared) fill(set *steerSettings, from *Saved) error {
	none := &Table{plan: &Plan{}}
	return s.apply(&Move{Before: none, After: none.restored(from)}, set)
}

// pinNew pins an object, replacing whatever an interrupted creation left there.
func pinNew(obj interface{ Pin(string) error }, path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("pin: %w", kind(err))
	}
	if err := obj.Pin(path); err != nil {
		return fmt.Errorf("pin %s: %w", path, kind(err))
	}
	return nil
}
