package steering

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
)

// User is whom a group's pins are given to: the account that workers run as.
type User struct {
	UID int
	GID int
}

// noUser in the settings' uid and gid means that the pins stay with their creator.
const noUser = ^uint32(0)

// Options says what group [Init] makes.
type Options struct {
	// Name of the group: 1 to 64 letters, digits, '-' and '_'.
	Name string
	// Slots is the number of workers intended, 1 to [MaxSlots]. For a group that
	// exists it must be the same number, or 0 for "as it is", unless Resize is set.
	Slots int
	// Resize gives a group that exists the number of slots, see [Plan.Resize].
	Resize bool
	// Key, if set, is the key of the group. One that exists must have it already:
	// another key would give every device another place.
	Key *Key
	// Allow are prefixes of sources to let in, added to those of the group; see
	// [Group.Allow].
	Allow []netip.Prefix
	// Root is the directory in bpffs that holds the groups; default [DefaultRoot].
	Root string
	// User, if set, may use the group without any capability. Without it the pins
	// of a new group belong to the caller alone and those of an existing group
	// stay as they are.
	User *User
	// Listeners that the group steers. More can be added by calling Init again;
	// none is ever taken away.
	Listeners []Listener
}

func (o *Options) validate() error {
	if o.Slots < 0 || o.Slots > MaxSlots {
		return fmt.Errorf("%w, not %d", ErrSlotCount, o.Slots)
	}
	if o.User != nil && (o.User.UID < 0 || o.User.GID < 0) {
		return fmt.Errorf("user %d:%d cannot own a group", o.User.UID, o.User.GID)
	}
	for _, l := range o.Listeners {
		if err := l.validate(); err != nil {
			return err
		}
	}
	return nil
}

// Init creates the group, or completes one that exists, and opens it. It mounts
// bpffs when there is none. Doing it twice changes nothing: key, table, aliases
// and counters stay, only a program of another version is replaced by ours.
//
// A group that exists with another number of slots is left alone and reported as
// [SlotsMismatchError] unless it may be resized, one with another key as
// [ErrOtherKey]. The ctx limits waiting for other processes.
func Init(ctx context.Context, o Options) (*Group, error) {
	p, err := newPins(o.Root, o.Name)
	if err != nil {
		return nil, err
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	if err := ensureRoot(p.root); err != nil {
		return nil, err
	}
	lock, err := p.makeDir(ctx)
	if err != nil {
		return nil, err
	}
	defer lock.unlock()
	if err := p.fill(o); err != nil {
		return nil, fmt.Errorf("steering group %q: %w", o.Name, err)
	}
	return open(p)
}

// makeDir creates the group's directory unless it is there and returns it locked.
func (p pins) makeDir(ctx context.Context) (*dirLock, error) {
	for {
		if err := os.Mkdir(p.dir(), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("steering group %q: %w", p.name, kind(err))
		}
		lock, err := p.lock(ctx)
		// Destroyed between the two calls: once more.
		if errors.Is(err, ErrNoGroup) && ctx.Err() == nil {
			continue
		}
		return lock, err
	}
}

// fill does Init's work under the lock. A group that it could not create leaves
// nothing behind.
func (p pins) fill(o Options) error {
	if err := p.complete(); err != nil && !errors.Is(err, ErrNoGroup) {
		return err
	}
	s, err := p.openShared(false)
	created := errors.Is(err, ErrNoGroup)
	switch {
	case created:
		s, err = p.create(o)
	case err == nil:
		err = p.adopt(o, s)
	}
	if s != nil {
		defer s.close()
	}
	if err == nil {
		err = s.allowMore(o.Allow)
	}
	listeners := o.Listeners
	if err == nil && !created {
		// Those of before may have an old program.
		var known []Listener
		known, err = p.listeners()
		listeners = append(known, listeners...)
	}
	for _, l := range sortListeners(listeners) {
		if err == nil {
			err = p.ensureEndpoint(l, s)
		}
	}
	if err == nil {
		err = p.give(s)
	}
	if err != nil && created {
		p.remove()
	}
	return err
}

func (p pins) create(o Options) (*shared, error) {
	if o.Slots == 0 {
		return nil, fmt.Errorf("%w: how many is this one to have?", ErrSlotCount)
	}
	set := steerSettings{
		Layout:     layoutVersion,
		Generation: 1,
		Slots:      uint32(o.Slots),
		Uid:        noUser,
		Gid:        noUser,
	}
	rand.Read(set.Key[:])
	if o.Key != nil {
		set.Key = *o.Key
	}
	if o.User != nil {
		set.Uid, set.Gid = uint32(o.User.UID), uint32(o.User.GID)
	}
	return p.createShared(set, rendezvous(equalWeights(o.Slots)))
}

// adopt checks a group that exists against what was asked for and notes a new
// user.
func (p pins) adopt(o Options, s *shared) error {
	set, err := s.settings()
	if err != nil {
		return err
	}
	if o.Key != nil && *o.Key != set.Key {
		return ErrOtherKey
	}
	if o.Slots != 0 && uint32(o.Slots) != set.Slots {
		if !o.Resize {
			return &SlotsMismatchError{Group: p.name, Want: o.Slots, Have: int(set.Slots)}
		}
		if err := s.resize(&set, o.Slots); err != nil {
			return err
		}
	}
	if o.User != nil {
		set.Uid, set.Gid = uint32(o.User.UID), uint32(o.User.GID)
	}
	return s.writeSettings(set)
}

func (s *shared) resize(set *steerSettings, slots int) error {
	before, err := s.readTable(*set)
	if err != nil {
		return err
	}
	m, err := before.replan(func(p *Plan) error { return p.Resize(slots) })
	if err != nil {
		return err
	}
	if err := s.applyPlan(m, set); err != nil {
		return err
	}
	set.Generation++
	return nil
}

// allowMore lets prefixes in that are not yet.
func (s *shared) allowMore(prefixes []netip.Prefix) error {
	known, err := s.readAllowed()
	if err != nil {
		return err
	}
	var fresh []netip.Prefix
	for _, p := range prefixes {
		p, err := cleanPrefix(p)
		if err != nil {
			return err
		}
		if !slices.Contains(known, p) {
			fresh = append(fresh, p)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	set, err := s.settings()
	if err != nil {
		return err
	}
	if err := s.allowPrefixes(&set, fresh); err != nil {
		return err
	}
	set.Generation++
	return s.writeSettings(set)
}

// give hands the pins to the group's user: the sockets' slots and what workers tell
// to write, the rest to read. Only whoever may load BPF writes table, aliases and programs.
func (p pins) give(s *shared) error {
	set, err := s.settings()
	if err != nil || set.Uid == noUser {
		return err
	}
	if err := openPath(p.root); err != nil {
		return err
	}
	uid, gid := int(set.Uid), int(set.Gid)
	ls, err := p.listeners()
	if err != nil {
		return err
	}
	for _, l := range ls {
		if err := giveFile(p.listenerFile(l, pinSlots), uid, gid, 0o640); err != nil {
			return err
		}
		for _, name := range []string{pinStats, pinProg} {
			if err := giveFile(p.listenerFile(l, name), -1, gid, 0o640); err != nil {
				return err
			}
		}
		if err := giveFile(p.listenerDir(l), -1, gid, 0o750); err != nil {
			return err
		}
	}
	all, err := s.list()
	if err != nil {
		return err
	}
	for _, m := range all {
		owner := -1
		if m.own {
			owner = uid
		}
		if err := giveFile(p.file(m.pin), owner, gid, 0o640); err != nil {
			return err
		}
	}
	// Last: now the group can be seen.
	return giveFile(p.dir(), -1, gid, 0o750)
}

func giveFile(path string, uid, gid int, mode fs.FileMode) error {
	if err := os.Chown(path, uid, gid); err != nil {
		return fmt.Errorf("give pins to their user: %w", kind(err))
	}
	if err := os.Chmod(path, mode); err != nil {
		return fmt.Errorf("give pins to their user: %w", kind(err))
	}
	return nil
}

// remove unpins everything, config first: without it the group does not exist.
func (p pins) remove() error {
	if err := os.Remove(p.file(pinConfig)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove steering group %q: %w", p.name, kind(err))
	}
	if err := os.RemoveAll(p.dir()); err != nil {
		return fmt.Errorf("remove steering group %q: %w", p.name, kind(err))
	}
	return nil
}
