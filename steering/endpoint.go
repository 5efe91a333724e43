package steering

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

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

// updateProgram replaces a pinned program that differs from ours. Sockets keep the
// one they have until a worker attaches the new one: those that run do it when they
// see the next generation (Claim.Refresh), those that start do it anyway.
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
	set, err := s.settings()
	if err != nil {
		return err
	}
	set.Program++
	set.Generation++
	return s.writeSettings(set)
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
			steerMapAllow:   s.allow,
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
