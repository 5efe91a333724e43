package steering

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Group is an open steering group. Any number of goroutines may use it. Closing
// it does not touch sockets or slots.
type Group struct {
	pins   pins
	maps   *shared // opened for reading
	config os.FileInfo

	table atomic.Pointer[Table]

	mu        sync.Mutex
	endpoints map[Listener]*endpoint // opened so far
	closed    bool
}

// Open opens a group for a worker or an onlooker; no capability is needed where
// the pins' modes allow it. An empty root means [DefaultRoot].
func Open(root, name string) (*Group, error) {
	p, err := newPins(root, name)
	if err != nil {
		return nil, err
	}
	return open(p)
}

func open(p pins) (*Group, error) {
	info, err := os.Stat(p.file(pinConfig))
	if err != nil {
		return nil, p.missing(err)
	}
	s, err := p.openShared(true)
	if err != nil {
		return nil, err
	}
	g := &Group{pins: p, maps: s, config: info, endpoints: map[Listener]*endpoint{}}
	if _, err := g.Reload(); err != nil {
		s.close()
		return nil, err
	}
	return g, nil
}

// Close releases what Open opened. The group itself lives on.
func (g *Group) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	g.closed = true
	for _, e := range g.endpoints {
		e.close()
	}
	g.maps.close()
	return nil
}

// Name returns the group's name.
func (g *Group) Name() string { return g.pins.name }

// Root returns the directory the group is pinned in.
func (g *Group) Root() string { return g.pins.root }

// Slots returns the number of workers intended, as of the last Reload.
func (g *Group) Slots() int { return g.table.Load().slots }

// Table returns the placement as of the last Reload. It costs one atomic load:
// a reader may ask it for each new source address.
func (g *Group) Table() *Table { return g.table.Load() }

// Where returns the placement of an address, as of the last Reload.
func (g *Group) Where(addr netip.Addr) Placement { return g.Table().Place(addr) }

// Lookup asks the kernel's maps, not the copy of the last Reload, which slot gets a
// device's traffic now: [Nobody] if none does. It costs two system calls, and is for
// what the copy calls foreign: the table may have changed a moment ago.
func (g *Group) Lookup(addr netip.Addr) (int, error) {
	device := steerAddress{Bytes: addr.Unmap().WithZone("").As16()}
	var canonical steerAddress
	switch err := g.maps.aliases.Lookup(&device, &canonical); {
	case err == nil:
		device = canonical
	case !errors.Is(err, ebpf.ErrKeyNotExist):
		return Nobody, fmt.Errorf("look up %s: %w", addr, kind(err))
	}
	bucket := uint32(g.Table().key.Bucket(netip.AddrFrom16(device.Bytes)))
	var slot uint16
	if err := g.maps.buckets.Lookup(bucket, &slot); err != nil {
		return Nobody, fmt.Errorf("look up %s: %w", addr, kind(err))
	}
	if slot >= MaxSlots {
		return Nobody, nil
	}
	return int(slot), nil
}

// Reload reads the table again if its generation has changed, and returns it. It
// returns ErrNoGroup once the group was destroyed, even if there is a new one of
// the same name.
func (g *Group) Reload() (*Table, error) {
	info, err := os.Stat(g.pins.file(pinConfig))
	if err != nil {
		return nil, g.pins.missing(err)
	}
	if !os.SameFile(info, g.config) {
		return nil, fmt.Errorf("%w: %q was replaced", ErrNoGroup, g.pins.name)
	}
	for {
		set, err := g.maps.settings()
		if err != nil {
			return nil, err
		}
		old := g.table.Load()
		if old != nil && old.generation == set.Generation {
			return old, nil
		}
		t, err := g.maps.readTable(set)
		if err != nil {
			return nil, err
		}
		// Written while it was read: the generation, which is written last, will
		// differ in the next round.
		g.table.CompareAndSwap(old, t)
	}
}

// readTable reads the placement that belongs to the settings.
func (s *shared) readTable(set steerSettings) (*Table, error) {
	buckets, err := s.readBuckets()
	if err != nil {
		return nil, err
	}
	aliases, err := s.readAliases()
	if err != nil {
		return nil, err
	}
	told, err := s.readTold()
	if err != nil {
		return nil, err
	}
	plan, err := s.readPlan(set)
	if err != nil {
		return nil, err
	}
	allowed, err := s.readAllowed()
	if err != nil {
		return nil, err
	}
	return &Table{
		key:        set.Key,
		generation: set.Generation,
		slots:      int(set.Slots),
		buckets:    buckets,
		aliases:    aliases,
		told:       told,
		plan:       plan,
		allowed:    allowed,
		program:    set.Program,
	}, nil
}

// endpoint returns a listener's maps, which stay open until Close.
func (g *Group) endpoint(l Listener) (*endpoint, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e, ok := g.endpoints[l]; ok {
		return e, nil
	}
	if g.closed {
		return nil, os.ErrClosed
	}
	e, err := g.pins.openEndpoint(l)
	if err != nil {
		return nil, fmt.Errorf("listener %s of steering group %q: %w", l, g.pins.name, err)
	}
	g.endpoints[l] = e
	return e, nil
}

// Listeners returns what the group listens on, UDP first.
func (g *Group) Listeners() ([]Listener, error) { return g.pins.listeners() }

// all returns the maps of all listeners, in the order of Listeners.
func (g *Group) all() ([]*endpoint, error) {
	ls, err := g.pins.listeners()
	if err != nil {
		return nil, err
	}
	es := make([]*endpoint, len(ls))
	for i, l := range ls {
		if es[i], err = g.endpoint(l); err != nil {
			return nil, err
		}
	}
	return es, nil
}

// List returns the names of the groups pinned in root; an empty root means
// [DefaultRoot]. No root, no groups.
func List(root string) ([]string, error) {
	if root == "" {
		root = DefaultRoot
	}
	entries, err := os.ReadDir(root)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list steering groups: %w", kind(err))
	}
	var names []string
	for _, e := range entries {
		_, err := os.Lstat(filepath.Join(root, e.Name(), pinConfig))
		// Not allowed to look inside: it is a group, but not ours.
		if e.IsDir() && (err == nil || errors.Is(err, unix.EACCES)) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// DestroyOptions says what [Destroy] may do.
type DestroyOptions struct {
	// EvenIfBusy destroys a group whose workers run. They keep what they receive,
	// and the kernel keeps the program, until they end; but none can join them.
	EvenIfBusy bool
}

// Destroy unpins a group: the key, and with it every device's place, is gone for
// good unless a key file has it, which stays. It refuses with [BusyError] while
// workers hold slots. An empty root means [DefaultRoot].
func Destroy(ctx context.Context, root, name string, o DestroyOptions) error {
	p, err := newPins(root, name)
	if err != nil {
		return err
	}
	lock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.unlock()
	if !o.EvenIfBusy {
		if err := p.idle(); err != nil {
			return err
		}
	}
	return p.remove()
}

// idle returns a BusyError if a slot of any listener is taken. Pins that cannot
// be read hold nobody back.
func (p pins) idle() error {
	ls, err := p.listeners()
	if err != nil {
		return err
	}
	busy := &BusyError{Group: p.name}
	for _, l := range ls {
		e, err := p.openEndpoint(l)
		if errors.Is(err, ErrNotPermitted) {
			return fmt.Errorf("listener %s of steering group %q: %w", l, p.name, err)
		}
		if err != nil {
			continue
		}
		for slot := range MaxSlots {
			if cookie, _ := e.cookie(slot); cookie != 0 {
				busy.Slots = append(busy.Slots, slot)
			}
		}
		e.close()
	}
	if len(busy.Slots) == 0 {
		return nil
	}
	slices.Sort(busy.Slots)
	busy.Slots = slices.Compact(busy.Slots)
	return busy
}
