package steering

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cilium/ebpf"
)

const (
	// layoutVersion is raised whenever the meaning of a pinned map changes without
	// its sizes doing so.
	layoutVersion = 1

	flagAliases = 1 // FLAG_ALIASES in steer.c
)

// shared are the maps that all listeners of a group have in common.
type shared struct {
	config, buckets, aliases *ebpf.Map
}

func (s *shared) close() {
	// Closing a nil *ebpf.Map is allowed.
	s.config.Close()
	s.buckets.Close()
	s.aliases.Close()
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

// writeBuckets writes the whole table. Readers may see it half written: each
// bucket changes at once and only once.
func (s *shared) writeBuckets(slots []uint16) error {
	keys := make([]uint32, len(slots))
	for i := range keys {
		keys[i] = uint32(i)
	}
	if _, err := s.buckets.BatchUpdate(keys, slots, nil); err != nil {
		return fmt.Errorf("write buckets: %w", kind(err))
	}
	return nil
}

// openShared opens a group's maps and checks that they are ours. It returns
// ErrNoGroup when the group is not, or not completely, there.
func (p pins) openShared(readOnly bool) (_ *shared, err error) {
	spec, err := loadSteer()
	if err != nil {
		return nil, err
	}
	s := &shared{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	for _, m := range []struct {
		to   **ebpf.Map
		name string
	}{{&s.config, pinConfig}, {&s.buckets, pinBuckets}, {&s.aliases, pinAliases}} {
		if *m.to, err = openMap(p.file(m.name), spec.Maps[m.name], readOnly); err != nil {
			return nil, p.missing(err)
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
// creation may have left. config comes last: with it the group exists.
func (p pins) createShared(set steerSettings, buckets []uint16) (_ *shared, err error) {
	spec, err := loadSteer()
	if err != nil {
		return nil, err
	}
	s := &shared{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.config, err = ebpf.NewMap(spec.Maps[pinConfig]); err != nil {
		return nil, fmt.Errorf("create map: %w", kind(err))
	}
	if s.buckets, err = ebpf.NewMap(spec.Maps[pinBuckets]); err != nil {
		return nil, fmt.Errorf("create map: %w", kind(err))
	}
	if s.aliases, err = ebpf.NewMap(spec.Maps[pinAliases]); err != nil {
		return nil, fmt.Errorf("create map: %w", kind(err))
	}
	if err := s.writeBuckets(buckets); err != nil {
		return nil, err
	}
	if err := s.writeSettings(set); err != nil {
		return nil, err
	}
	if err := pinNew(s.buckets, p.file(pinBuckets)); err != nil {
		return nil, err
	}
	if err := pinNew(s.aliases, p.file(pinAliases)); err != nil {
		return nil, err
	}
	return s, pinNew(s.config, p.file(pinConfig))
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
