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

// endpoint is what the kernel holds for one listener.
type endpoint struct {
	Listener
	slots, stats *ebpf.Map
}

func (e *endpoint) close() {
	e.slots.Close()
	e.stats.Close()
}

// openEndpoint opens a listener's maps: for writing if the file modes allow, else
// for reading. It returns ErrNoListener when it is not, or not completely, pinned.
func (p pins) openEndpoint(l Listener) (*endpoint, error) {
	spec, err := loadSteer()
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(p.listenerFile(l, pinProg)); err != nil {
		return nil, noListener(err)
	}
	slots, err := openMap(p.listenerFile(l, pinSlots), spec.Maps[pinSlots], false)
	if errors.Is(err, unix.EACCES) {
		slots, err = openMap(p.listenerFile(l, pinSlots), spec.Maps[pinSlots], true)
	}
	if err != nil {
		return nil, noListener(err)
	}
	stats, err := openMap(p.listenerFile(l, pinStats), spec.Maps[pinStats], true)
	if err != nil {
		slots.Close()
		return nil, noListener(err)
	}
	return &endpoint{l, slots, stats}, nil
}

func noListener(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNoListener
	}
	return kind(err)
}

// ensureEndpoint creates a listener unless it is there, and brings its program
// up to date if another version pinned it. The caller holds the lock.
func (p pins) ensureEndpoint(l Listener, s *shared) error {
	e, err := p.openEndpoint(l)
	if err == nil {
		defer e.close()
		return p.updateProgram(l, s, e)
	}
	if !errors.Is(err, ErrNoListener) {
		return fmt.Errorf("listener %s: %w", l, err)
	}
	if err := p.createEndpoint(l, s); err != nil {
		return fmt.Errorf("listener %s: %w", l, err)
	}
	return nil
}

func (p pins) createEndpoint(l Listener, s *shared) error {
	spec, err := loadSteer()
	if err != nil {
		return err
	}
	e := &endpoint{Listener: l}
	defer e.close()
	if e.slots, err = ebpf.NewMap(spec.Maps[pinSlots]); err != nil {
		return fmt.Errorf("create map: %w", kind(err))
	}
	if e.stats, err = ebpf.NewMap(spec.Maps[pinStats]); err != nil {
		return fmt.Errorf("create map: %w", kind(err))
	}
	prog, err := loadProgram(spec, s, e)
	if err != nil {
		return err
	}
	defer prog.Close()
	if err := os.Mkdir(p.listenerDir(l), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return kind(err)
	}
	if err := pinNew(e.slots, p.listenerFile(l, pinSlots)); err != nil {
		return err
	}
	if err := pinNew(e.stats, p.listenerFile(l, pinStats)); err != nil {
		return err
	}
	return pinNew(prog, p.listenerFile(l, pinProg))
}

// updateProgram replaces a pinned program that differs from ours. Sockets keep
// the one they have until the next worker joins and attaches the new one.
func (p pins) updateProgram(l Listener, s *shared, e *endpoint) error {
	spec, err := loadSteer()
	if err != nil {
		return err
	}
	old, err := p.openProgram(l)
	if err != nil {
		return err
	}
	defer old.Close()
	info, err := old.Info()
	if err != nil {
		return fmt.Errorf("program of %s: %w", l, kind(err))
	}
	if spec.Programs[steerProgSteer].Compatible(info) == nil {
		return nil
	}
	prog, err := loadProgram(spec, s, e)
	if err != nil {
		return err
	}
	defer prog.Close()
	next := p.listenerFile(l, pinProg+"_next")
	if err := pinNew(prog, next); err != nil {
		return err
	}
	if err := os.Rename(next, p.listenerFile(l, pinProg)); err != nil {
		return fmt.Errorf("replace program of %s: %w", l, kind(err))
	}
	return nil
}

// openProgram opens a listener's pinned program, for attaching it.
func (p pins) openProgram(l Listener) (*ebpf.Program, error) {
	prog, err := ebpf.LoadPinnedProgram(p.listenerFile(l, pinProg), &ebpf.LoadPinOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("program of %s: %w", l, noListener(err))
	}
	return prog, nil
}

// loadProgram loads a copy of the program that works on these maps.
func loadProgram(spec *ebpf.CollectionSpec, s *shared, e *endpoint) (*ebpf.Program, error) {
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		MapReplacements: map[string]*ebpf.Map{
			steerMapConfig:  s.config,
			steerMapBuckets: s.buckets,
			steerMapAliases: s.aliases,
			steerMapSlots:   e.slots,
			steerMapStats:   e.stats,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("load program: %w", loadKind(err))
	}
	defer coll.Close()
	return coll.DetachProgram(steerProgSteer), nil
}

// loadKind recognises kernels that do not know sk_reuseport/migrate: they refuse
// the attach type with EINVAL.
func loadKind(err error) error {
	var rejected *ebpf.VerifierError
	if errors.Is(err, ebpf.ErrNotSupported) ||
		errors.Is(err, unix.EINVAL) && (!errors.As(err, &rejected) || len(rejected.Log) == 0) {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return kind(err)
}
