package steering

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
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
	// exists, or that File describes, it must be the same number, or 0 for "as it is",
	// unless Resize is set.
	Slots int
	// Resize gives such a group the number of slots, see [Plan.Resize], if it is another
	// one than Init was told last: a resize since then counts for more than a setting
	// that stays as it was.
	Resize bool
	// File, if set, is the group's key file. A group that does not exist is made from
	// it, where there is one; every change of the group is saved in it, see [Saved].
	File string
	// Key, if set, is the key of the group. One that exists must have it already, and
	// so must File: another key would give every device another place.
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
// [ErrOtherKey], one with another plan than is in its key file, where telcol has not put
// it, as [ErrOtherPlan]. A damaged key file is [ErrKeyFile], and nothing is done.
//
// A group that is ready but could not be saved in its key file is returned together with
// [ErrNotSaved]. The ctx limits waiting for other processes.
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
	err = p.fill(o)
	if err != nil {
		err = fmt.Errorf("steering group %q: %w", o.Name, err)
		if !errors.Is(err, ErrNotSaved) {
			return nil, err
		}
	}
	g, oerr := open(p)
	if oerr != nil {
		return nil, oerr
	}
	return g, err
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
	file, ferr := o.readFile()
	switch {
	case ferr != nil:
		err = ferr
	case created:
		s, err = p.create(o, file)
	case err == nil:
		err = p.adopt(o, s, file)
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
	if err != nil {
		if created {
			p.remove()
		}
		return err
	}
	rec, err := s.readRecord()
	if err != nil {
		return err
	}
	return s.save(rec, false)
}

// readFile reads the key file, nil if the group is to have none.
func (o *Options) readFile() (*keyFile, error) {
	if o.File == "" {
		return nil, nil
	}
	f, err := readKeyFile(o.File)
	if err == nil && f.Saved != nil && o.Key != nil && f.Key != *o.Key {
		err = fmt.Errorf("%s: %w", f.path, ErrOtherKey)
	}
	return f, err
}

// create makes a new group: what the key file says, with a number of slots that is told
// anew, else what the options say.
func (p pins) create(o Options, file *keyFile) (*shared, error) {
	from, rec, err := o.origin(file)
	if err != nil {
		return nil, err
	}
	if rec.resizes(o, from.Plan.Slots) {
		if !o.Resize {
			return nil, &SlotsMismatchError{Group: p.name, Want: o.Slots, Have: from.Plan.Slots}
		}
		if err := errors.Join(from.Plan.Resize(o.Slots), from.Plan.check(from.Key)); err != nil {
			return nil, err
		}
	}
	rec.asked(o)
	set := steerSettings{Key: from.Key, Layout: layoutVersion, Generation: 1, Uid: noUser, Gid: noUser}
	if o.User != nil {
		set.Uid, set.Gid = uint32(o.User.UID), uint32(o.User.GID)
	}
	return p.createShared(set, from, rec)
}

// origin returns what a new group is made from and what it is to remember of its file.
func (o *Options) origin(file *keyFile) (*Saved, *fileRecord, error) {
	from, rec := &Saved{}, &fileRecord{}
	if file != nil {
		if err := rec.use(file.path); err != nil {
			return nil, nil, err
		}
		rec.Sum = file.sum
	}
	switch {
	case file != nil && file.Saved != nil:
		from = file.Saved
	case o.Key != nil:
		from.Key = *o.Key
	default:
		rand.Read(from.Key[:])
	}
	if from.Plan == nil {
		if o.Slots == 0 {
			return nil, nil, fmt.Errorf("%w: how many is this one to have?", ErrSlotCount)
		}
		from.Plan = &Plan{Slots: o.Slots}
	}
	rec.Asked = uint32(from.Asked)
	return from, rec, nil
}

// resizes reports whether the options want another number of slots than the group has.
func (r *fileRecord) resizes(o Options, have int) bool {
	return o.Slots != 0 && o.Slots != have && !(o.Resize && uint32(o.Slots) == r.Asked)
}

// asked notes the number of slots that Init was told.
func (r *fileRecord) asked(o Options) {
	if o.Slots != 0 {
		r.Asked = uint32(o.Slots)
	}
}

// adopt checks a group that exists against what was asked for and notes a new
// user.
func (p pins) adopt(o Options, s *shared, file *keyFile) error {
	set, err := s.settings()
	if err != nil {
		return err
	}
	if o.Key != nil && *o.Key != set.Key {
		return ErrOtherKey
	}
	rec, err := s.readRecord()
	if err != nil {
		return err
	}
	if file != nil {
		if err := s.adoptFile(set, rec, file); err != nil {
			return err
		}
	}
	if rec.resizes(o, int(set.Slots)) {
		if !o.Resize {
			return &SlotsMismatchError{Group: p.name, Want: o.Slots, Have: int(set.Slots)}
		}
		if err := s.resize(&set, o.Slots); err != nil {
			return err
		}
	}
	rec.asked(o)
	if o.User != nil {
		set.Uid, set.Gid = uint32(o.User.UID), uint32(o.User.GID)
	}
	return errors.Join(s.writeRecord(rec), s.writeSettings(set))
}

// adoptFile makes a key file that of a group that exists, unless it holds what the group
// is not and was not saved from here.
func (s *shared) adoptFile(set steerSettings, rec *fileRecord, file *keyFile) error {
	t, err := s.readTable(set)
	if err != nil {
		return err
	}
	if !file.holds(t.toSave(rec)) {
		if err := file.check(set.Key, rec); err != nil {
			return err
		}
	}
	rec.Sum, rec.Plan = file.sum, [sha256.Size]byte{} // look again when all is done
	return rec.use(file.path)
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
