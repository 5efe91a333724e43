package steering

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// keyFile is a key file as it was found.
type keyFile struct {
	path   string
	sum    [sha256.Size]byte // of its octets
	*Saved                   // nil: there is none
}

// readKeyFile reads a key file; none at all is no error.
func readKeyFile(path string) (*keyFile, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &keyFile{path: path}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSavedSize+1))
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if len(text) > maxSavedSize {
		return nil, fmt.Errorf("%s: %w: it has more than %d octets", path, ErrKeyFile, maxSavedSize)
	}
	s, err := ParseSaved(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &keyFile{path: path, sum: sha256.Sum256(text), Saved: s}, nil
}

// holds reports whether a group made from the file is the one that s describes.
func (f *keyFile) holds(s *Saved) bool {
	switch {
	case f.Saved == nil:
		return false
	case f.Plan == nil:
		return f.Key == s.Key && s.plain()
	}
	return f.Saved.sum() == s.sum()
}

// check returns why the file may not be written by a group that remembers rec: it holds
// what somebody else put there.
func (f *keyFile) check(key Key, rec *fileRecord) error {
	switch {
	case f.Saved == nil:
		return nil
	case f.Key != key:
		return fmt.Errorf("%s: %w", f.path, ErrOtherKey)
	case f.Plan != nil && f.sum != rec.Sum:
		return fmt.Errorf("%s: %w", f.path, ErrOtherPlan)
	}
	return nil
}

// write replaces the file as a whole: whatever happens, there is the old one or the new
// one. A symbolic link stays.
func (f *keyFile) write(text []byte) (err error) {
	path, err := filepath.EvalSymlinks(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		path, err = f.path, nil
	}
	if err != nil {
		return err
	}
	fresh, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(fresh.Name())
		}
	}()
	_, err = fresh.Write(text)
	if err == nil {
		err = fresh.Sync()
	}
	if err = errors.Join(err, fresh.Close()); err != nil {
		return err
	}
	if err := os.Rename(fresh.Name(), path); err != nil {
		return err
	}
	f.sum = sha256.Sum256(text)
	return syncDir(filepath.Dir(path))
}

// syncDir makes a rename last, where the file system can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// fileRecord is what a group remembers of its key file, in a map of its own.
type fileRecord struct {
	Asked uint32            // see [Saved.Asked]
	Len   uint32            // of Path; 0: the group has no file
	Sum   [sha256.Size]byte // of the file's octets when it was last read or written
	Plan  [sha256.Size]byte // name of the plan that is in there, see [Saved.sum]
	Path  [maxPath]byte
}

const maxPath = 4096

func savedSpec() *ebpf.MapSpec {
	return &ebpf.MapSpec{Name: "saved", Type: ebpf.Array, KeySize: 4, ValueSize: 8 + 2*sha256.Size + maxPath, MaxEntries: 1}
}

func (r *fileRecord) path() string { return string(r.Path[:min(r.Len, maxPath)]) }

// use makes path the group's file.
func (r *fileRecord) use(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	if len(path) > maxPath {
		return fmt.Errorf("key file: a path of %d octets is too long", len(path))
	}
	clear(r.Path[:])
	r.Len = uint32(copy(r.Path[:], path))
	return nil
}

func (s *shared) readRecord() (*fileRecord, error) {
	r := new(fileRecord)
	if err := s.saved.Lookup(uint32(0), r); err != nil {
		return nil, fmt.Errorf("read where the plan is saved: %w", kind(err))
	}
	return r, nil
}

func (s *shared) writeRecord(r *fileRecord) error {
	if err := s.saved.Update(uint32(0), r, ebpf.UpdateAny); err != nil {
		return fmt.Errorf("write where the plan is saved: %w", kind(err))
	}
	return nil
}

// toSave returns what is to be saved of a group with this table.
func (t *Table) toSave(rec *fileRecord) *Saved {
	s := &Saved{Key: t.key, Plan: t.plan, Asked: int(rec.Asked), Aliases: map[netip.Addr]netip.Addr{}, Allowed: t.allowed}
	for from, to := range t.aliases {
		if !t.told[from] {
			s.Aliases[from] = to
		}
	}
	return s
}

// save brings the group's key file up to date, if it has one and the plan is not what was
// saved last. What it returns is a NotSavedError: whatever was changed is in effect. A file
// whose content comes from elsewhere is replaced only if it is forced. The caller holds
// the lock.
func (s *shared) save(rec *fileRecord, force bool) error {
	if rec.Len == 0 {
		return nil
	}
	if err := s.saveIn(rec, force); err != nil {
		return &NotSavedError{File: rec.path(), Err: err}
	}
	return nil
}

func (s *shared) saveIn(rec *fileRecord, force bool) error {
	set, err := s.settings()
	if err != nil {
		return err
	}
	t, err := s.readTable(set)
	if err != nil {
		return err
	}
	now := t.toSave(rec)
	if now.sum() == rec.Plan {
		return nil
	}
	f, err := readKeyFile(rec.path())
	if err != nil {
		return err
	}
	if !f.holds(now) {
		if err := f.check(now.Key, rec); err != nil && !(force && errors.Is(err, ErrOtherPlan)) {
			return err
		}
		if err := f.write(now.Append(nil)); err != nil {
			return kind(err)
		}
	}
	rec.Sum, rec.Plan = f.sum, now.sum()
	return s.writeRecord(rec)
}

// SavedIn returns the group's key file, "" if it has none, and whether the plan of now is
// in there, as far as telcol knows: it does not look.
func (g *Group) SavedIn() (file string, upToDate bool, err error) {
	t, err := g.Reload()
	if err != nil {
		return "", false, err
	}
	rec, err := g.maps.readRecord()
	if err != nil || rec.Len == 0 {
		return "", false, err
	}
	return rec.path(), t.toSave(rec).sum() == rec.Plan, nil
}

// Save writes key and plan to a file, which is the group's key file from then on and
// gets every change; "" is the one that it has. A file that holds another plan of the same
// key is replaced; one that holds another key, or cannot be read, is left alone.
func (g *Group) Save(ctx context.Context, file string) error {
	return g.locked(ctx, func(s *shared) error {
		rec, err := s.readRecord()
		if err != nil {
			return err
		}
		if file != "" {
			err = rec.use(file)
		}
		if err == nil && rec.Len == 0 {
			err = ErrNoKeyFile
		}
		if err != nil {
			return err
		}
		rec.Plan = [sha256.Size]byte{} // whatever was saved, look and write
		return s.save(rec, true)
	})
}

// Restore gives the group the plan, the aliases and the allowed prefixes that a file
// holds, in place of its own. Aliases that workers told stay where the file has nothing
// against them. With dry it changes nothing.
func (g *Group) Restore(ctx context.Context, file string, dry bool) (*Move, error) {
	f, err := readKeyFile(file)
	switch {
	case err != nil:
		return nil, err
	case f.Saved == nil:
		return nil, fmt.Errorf("key file %s: %w", file, fs.ErrNotExist)
	case f.Plan == nil:
		return nil, fmt.Errorf("%s: %w: it holds a key alone", file, ErrKeyFile)
	}
	if dry {
		t, err := g.Reload()
		if err != nil {
			return nil, err
		}
		return f.move(t)
	}
	var m *Move
	err = g.change(ctx, func(s *shared, set *steerSettings) error {
		before, err := s.readTable(*set)
		if err != nil {
			return err
		}
		if m, err = f.move(before); err != nil {
			return err
		}
		rec, err := s.readRecord()
		if err != nil {
			return err
		}
		rec.Asked, rec.Plan = uint32(f.Asked), [sha256.Size]byte{}
		if abs, err := filepath.Abs(file); err == nil && abs == rec.path() {
			rec.Sum = f.sum
		}
		return errors.Join(s.apply(m, set), s.writeRecord(rec))
	})
	return m, err
}

// move returns what becomes of a group's table when it is made that of the file.
func (f *keyFile) move(before *Table) (*Move, error) {
	if f.Key != before.key {
		return nil, fmt.Errorf("%s: %w", f.path, ErrOtherKey)
	}
	return &Move{Before: before, After: before.restored(f.Saved)}, nil
}

// restored returns the table that a file makes of this one.
func (t *Table) restored(s *Saved) *Table {
	after := *t
	after.plan, after.slots, after.buckets = s.Plan, s.Plan.Slots, s.Plan.buckets(s.Key)
	after.aliases, after.told, after.allowed = maps.Clone(s.Aliases), map[netip.Addr]bool{}, s.Allowed
	for from := range t.told {
		to, ok := t.aliases[from]
		if _, set := s.Aliases[from]; ok && !set && chained(after.aliases, from, to) == nil {
			after.aliases[from], after.told[from] = to, true
		}
	}
	return &after
}

// apply writes what differs, plan and lists.
func (s *shared) apply(m *Move, set *steerSettings) error {
	if err := s.applyPlan(m, set); err != nil {
		return err
	}
	for from := range m.Before.aliases {
		if _, ok := m.After.aliases[from]; !ok {
			if err := s.deleteAlias(from); err != nil {
				return err
			}
		}
	}
	if len(m.After.aliases) == 0 {
		set.Flags &^= flagAliases
	}
	for from, to := range m.After.aliases {
		if err := s.putAlias(set, from, to, m.After.told[from]); err != nil {
			return err
		}
	}
	// What is let in both before and after is let in throughout.
	if err := s.allowPrefixes(set, m.After.allowed); err != nil {
		return err
	}
	gone := slices.DeleteFunc(slices.Clone(m.Before.allowed), func(p netip.Prefix) bool { return slices.Contains(m.After.allowed, p) })
	return s.disallow(set, gone, len(m.After.allowed) == 0)
}
