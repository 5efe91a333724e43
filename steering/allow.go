package steering

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// maxPrefixes is MAX_PREFIXES in steer.c.
const maxPrefixes = 16384

// Allow lets sources in: the list of allowed prefixes gets some more. As soon as it
// has one, everything from elsewhere is dropped in the kernel and counted, on all
// listeners. A prefix of IPv4 is also that of its mapped form. It needs to write
// the pins, as their creator may.
func (g *Group) Allow(ctx context.Context, prefixes ...netip.Prefix) error {
	return g.change(ctx, func(s *shared, set *steerSettings) error { return s.allowPrefixes(set, prefixes) })
}

func (s *shared) allowPrefixes(set *steerSettings, prefixes []netip.Prefix) error {
	for _, p := range prefixes {
		p, err := cleanPrefix(p)
		if err != nil {
			return err
		}
		key := prefixKey(p)
		if err := s.allow.Update(&key, uint32(1), ebpf.UpdateAny); err != nil {
			if errors.Is(err, unix.ENOSPC) {
				return fmt.Errorf("allow %s: the list holds %d prefixes and is full", p, maxPrefixes)
			}
			return fmt.Errorf("allow %s: %w", p, kind(err))
		}
		set.Flags |= flagAllow
	}
	return nil
}

// Disallow takes prefixes off the list, those that are on it exactly so, and returns
// those that were not. A list without prefixes lets everything in.
func (g *Group) Disallow(ctx context.Context, prefixes ...netip.Prefix) (missing []netip.Prefix, err error) {
	err = g.change(ctx, func(s *shared, set *steerSettings) error {
		known, err := s.readAllowed()
		if err != nil {
			return err
		}
		var gone []netip.Prefix
		for _, p := range prefixes {
			p, err := cleanPrefix(p)
			if err != nil {
				return err
			}
			if i := slices.Index(known, p); i >= 0 {
				known, gone = slices.Delete(known, i, i+1), append(gone, p)
			} else if !slices.Contains(gone, p) {
				missing = append(missing, p)
			}
		}
		return s.disallow(set, gone, len(known) == 0)
	})
	return missing, err
}

// disallow removes prefixes. If they are the last ones the program is told first:
// a list that is empty and holds would drop everything.
func (s *shared) disallow(set *steerSettings, gone []netip.Prefix, last bool) error {
	if last && set.Flags&flagAllow != 0 {
		set.Flags &^= flagAllow
		if err := s.writeSettings(*set); err != nil {
			return err
		}
	}
	for _, p := range gone {
		key := prefixKey(p)
		if err := s.allow.Delete(&key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("disallow %s: %w", p, kind(err))
		}
	}
	return nil
}

// Allowed returns the list of allowed prefixes, in order; none lets everything in.
func (t *Table) Allowed() []netip.Prefix { return slices.Clone(t.allowed) }

// Allows reports whether packets of a source are let in.
func (t *Table) Allows(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return len(t.allowed) == 0 || slices.ContainsFunc(t.allowed, func(p netip.Prefix) bool { return contains(p, addr) })
}

// contains compares as the program does: IPv4 is a part of IPv6.
func contains(p netip.Prefix, addr netip.Addr) bool {
	key, a := prefixKey(p), addr.As16()
	whole, rest := key.Bits/8, key.Bits%8
	return bytes.Equal(a[:whole], key.Bytes[:whole]) && (rest == 0 || (a[whole]^key.Bytes[whole])>>(8-rest) == 0)
}

// cleanPrefix returns a prefix in the one form that the list has it in: without host
// bits, IPv4 as IPv4.
func cleanPrefix(p netip.Prefix) (netip.Prefix, error) {
	if !p.IsValid() {
		return p, fmt.Errorf("prefix %s is not valid", p)
	}
	p = p.Masked()
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p, nil
}

func prefixKey(p netip.Prefix) steerPrefix {
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	return steerPrefix{Bits: uint32(bits), Bytes: p.Addr().As16()}
}

func (s *shared) readAllowed() ([]netip.Prefix, error) {
	var (
		found []netip.Prefix
		key   steerPrefix
		value uint32
		it    = s.allow.Iterate()
	)
	for it.Next(&key, &value) {
		p, err := cleanPrefix(netip.PrefixFrom(netip.AddrFrom16(key.Bytes), int(key.Bits)))
		if err != nil {
			return nil, err
		}
		found = append(found, p)
	}
	if err := it.Err(); err != nil {
		return nil, fmt.Errorf("read allowed prefixes: %w", kind(err))
	}
	slices.SortFunc(found, netip.Prefix.Compare)
	return found, nil
}
