package steering

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"

	"github.com/cilium/ebpf"
)

// Aliases returns the group's aliases as of the last Reload: address to canonical
// address. The map is the caller's.
func (g *Group) Aliases() map[netip.Addr]netip.Addr {
	return maps.Clone(g.Table().aliases)
}

// SetAlias makes from an address of the device whose canonical address is to:
// its traffic goes where that of to goes. It returns [ErrAliasChain] if to is an
// alias itself, or from has aliases, and [ErrPinOfAlias] if from is pinned. Connections that exist stay where they are.
// It needs to write the pins, as their creator may.
func (g *Group) SetAlias(ctx context.Context, from, to netip.Addr) error {
	return g.change(ctx, setAlias(from, to, false))
}

// TellAlias is SetAlias for a worker. The alias lasts as long as the group and is not
// saved: whoever knows it tells it again to the next one.
func (g *Group) TellAlias(ctx context.Context, from, to netip.Addr) error {
	return g.alter(ctx, setAlias(from, to, true))
}

func setAlias(from, to netip.Addr, told bool) func(*shared, *steerSettings) error {
	from, to = from.Unmap().WithZone(""), to.Unmap().WithZone("")
	return func(s *shared, set *steerSettings) error {
		if !from.IsValid() || !to.IsValid() || from == to {
			return fmt.Errorf("alias %s of %s: two different addresses are needed", from, to)
		}
		known, err := s.readAliases()
		if err != nil {
			return err
		}
		if err := chained(known, from, to); err != nil {
			return err
		}
		plan, err := s.readPlan(*set)
		if err != nil {
			return err
		}
		// What a worker's settings say is no reason for it not to start.
		if slot, ok := plan.Pins[from]; ok && !told && known[from] != to {
			return fmt.Errorf("%w: %s is pinned to slot %d; unpin it, and pin %s instead", ErrPinOfAlias, from, slot, to)
		}
		return s.putAlias(set, from, to, told)
	}
}

func (s *shared) putAlias(set *steerSettings, from, to netip.Addr, told bool) error {
	key, value := steerAddress{Bytes: from.As16()}, steerAddress{Bytes: to.As16()}
	err := s.told.Delete(&key)
	if told {
		err = s.told.Update(&key, uint32(1), ebpf.UpdateAny)
	}
	if err == nil || errors.Is(err, ebpf.ErrKeyNotExist) {
		err = s.aliases.Update(&key, &value, ebpf.UpdateAny)
	}
	if err != nil {
		return fmt.Errorf("alias %s: %w", from, kind(err))
	}
	set.Flags |= flagAliases
	return nil
}

func (s *shared) deleteAlias(from netip.Addr) error {
	key := steerAddress{Bytes: from.As16()}
	for _, m := range []*ebpf.Map{s.aliases, s.told} {
		if err := m.Delete(&key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("alias %s: %w", from, kind(err))
		}
	}
	return nil
}

func chained(known map[netip.Addr]netip.Addr, from, to netip.Addr) error {
	if next, ok := known[to]; ok {
		return fmt.Errorf("%w: %s is an address of %s; make %s one of that, too", ErrAliasChain, to, next, from)
	}
	for a, canonical := range known {
		if canonical == from {
			return fmt.Errorf("%w: %s is an address of %s; take that alias away first", ErrAliasChain, a, from)
		}
	}
	return nil
}

// RemoveAlias makes an address a device of its own again. Removing what is no
// alias does nothing.
func (g *Group) RemoveAlias(ctx context.Context, from netip.Addr) error {
	from = from.Unmap().WithZone("")
	return g.change(ctx, func(s *shared, set *steerSettings) error {
		if err := s.deleteAlias(from); err != nil {
			return err
		}
		left, err := s.readAliases()
		if err == nil && len(left) == 0 {
			set.Flags &^= flagAliases
		}
		return err
	})
}

// readAliases reads all aliases, with addresses unmapped.
func (s *shared) readAliases() (map[netip.Addr]netip.Addr, error) {
	var (
		found    = map[netip.Addr]netip.Addr{}
		from, to steerAddress
		it       = s.aliases.Iterate()
	)
	for it.Next(&from, &to) {
		found[netip.AddrFrom16(from.Bytes).Unmap()] = netip.AddrFrom16(to.Bytes).Unmap()
	}
	if err := it.Err(); err != nil {
		return nil, fmt.Errorf("read aliases: %w", kind(err))
	}
	return found, nil
}

func toldSpec() *ebpf.MapSpec {
	return &ebpf.MapSpec{Name: "aliases_told", Type: ebpf.Hash, KeySize: 16, ValueSize: 4, MaxEntries: maxAliases, Flags: noPrealloc}
}

// readTold reads which aliases workers have told.
func (s *shared) readTold() (map[netip.Addr]bool, error) {
	var (
		found = map[netip.Addr]bool{}
		from  steerAddress
		value uint32
		it    = s.told.Iterate()
	)
	for it.Next(&from, &value) {
		found[netip.AddrFrom16(from.Bytes).Unmap()] = true
	}
	if err := it.Err(); err != nil {
		return nil, fmt.Errorf("read aliases: %w", kind(err))
	}
	return found, nil
}

// locked lets do work on the group's maps, open for writing, under its lock.
func (g *Group) locked(ctx context.Context, do func(*shared) error) error {
	lock, err := g.pins.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.unlock()
	s, err := g.pins.openShared(false)
	if err != nil {
		return err
	}
	defer s.close()
	return do(s)
}

// change is alter for what is to last: the key file is brought up to date. It returns
// [ErrNotSaved], and the change is in effect, where that is not possible.
func (g *Group) change(ctx context.Context, do func(*shared, *steerSettings) error) error {
	return g.alterAnd(ctx, do, func(s *shared) error {
		rec, err := s.readRecord()
		if err != nil {
			return err
		}
		return s.save(rec, false)
	})
}

// alter lets do alter the table or the lists under the group's lock, writes
// the settings back with the next generation, and reloads. Workers see the change
// when they see the generation. It is raised even if do failed: what it wrote
// before that must not go unseen.
func (g *Group) alter(ctx context.Context, do func(*shared, *steerSettings) error) error {
	return g.alterAnd(ctx, do, func(*shared) error { return nil })
}

// alterAnd calls then after a change that was made whole, still under the lock.
func (g *Group) alterAnd(ctx context.Context, do func(*shared, *steerSettings) error, then func(*shared) error) error {
	err := g.locked(ctx, func(s *shared) error {
		set, err := s.settings()
		if err != nil {
			return err
		}
		err = do(s, &set)
		set.Generation++
		if werr := s.writeSettings(set); err != nil || werr != nil {
			return errors.Join(err, werr)
		}
		return then(s)
	})
	_, rerr := g.Reload()
	return errors.Join(err, rerr)
}
