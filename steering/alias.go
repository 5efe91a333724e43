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
// alias itself, or from has aliases. Connections that exist stay where they are.
// It needs to write the pins, as their creator may.
func (g *Group) SetAlias(ctx context.Context, from, to netip.Addr) error {
	from, to = from.Unmap().WithZone(""), to.Unmap().WithZone("")
	if !from.IsValid() || !to.IsValid() || from == to {
		return fmt.Errorf("alias %s of %s: two different addresses are needed", from, to)
	}
	return g.change(ctx, func(s *shared, set *steerSettings) error {
		known, err := s.readAliases()
		if err != nil {
			return err
		}
		if err := chained(known, from, to); err != nil {
			return err
		}
		key, value := steerAddress{Bytes: from.As16()}, steerAddress{Bytes: to.As16()}
		if err := s.aliases.Update(&key, &value, ebpf.UpdateAny); err != nil {
			return fmt.Errorf("alias %s: %w", from, kind(err))
		}
		set.Flags |= flagAliases
		return nil
	})
}

func chained(known map[netip.Addr]netip.Addr, from, to netip.Addr) error {
	if next, ok := known[to]; ok {
		return fmt.Errorf("%w: %s stands for %s", ErrAliasChain, to, next)
	}
	for a, canonical := range known {
		if canonical == from {
			return fmt.Errorf("%w: %s stands for %s", ErrAliasChain, a, from)
		}
	}
	return nil
}

// RemoveAlias makes an address a device of its own again. Removing what is no
// alias does nothing.
func (g *Group) RemoveAlias(ctx context.Context, from netip.Addr) error {
	from = from.Unmap().WithZone("")
	return g.change(ctx, func(s *shared, set *steerSettings) error {
		key := steerAddress{Bytes: from.As16()}
		if err := s.aliases.Delete(&key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("alias %s: %w", from, kind(err))
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

// change lets do alter the table or the aliases under the group's lock, writes
// the settings back with the next generation, and reloads. Workers see the change
// when they see the generation. It is raised even if do failed: what it wrote
// before that must not go unseen.
func (g *Group) change(ctx context.Context, do func(*shared, *steerSettings) error) error {
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
	set, err := s.settings()
	if err != nil {
		return err
	}
	err = do(s, &set)
	set.Generation++
	if werr := s.writeSettings(set); werr != nil {
		return errors.Join(err, werr)
	}
	_, rerr := g.Reload()
	return errors.Join(err, rerr)
}
