package ipfix

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"net/netip"
	"time"
)

// ErrState says that saved state is damaged, of another kind, or of a version that is not known.
var ErrState = errors.New("bad saved state")

// Saved state is a frame around a payload:
//
//	+--------+--------+--------+--------+--------+--------+--------+--------+
//	|  'T'      'L'      'C'      kind  | version|  payload octets (uvarint) |
//	|  payload ...                                                          |
//	|  CRC-32C of all before            |
//	+--------+--------+--------+--------+
const (
	stateMagic   = "TLC"
	stateSession = 'S'
	stateTables  = 'O'
	stateVersion = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Scope says what of a Session is saved.
type Scope uint8

const (
	// ScopeTemplates saves what stays true while nobody listens: templates.
	ScopeTemplates Scope = iota
	// ScopeLive also saves held sets and sequence numbers, for a decoder that goes on where this one stops.
	ScopeLive
)

// Changes rises whenever templates or option tables change, which is when they are worth saving again.
func (s *Session) Changes() uint64 { return s.changes + s.tables.Changes() }

// OwnChanges is the part of Changes that is of templates, for a device with several sessions on the same Tables.
func (s *Session) OwnChanges() uint64 { return s.changes }

// Changes rises whenever the tables change.
func (t *Tables) Changes() uint64 { return t.Changed + t.Expired }

// AppendState appends the state of a session, without its Tables.
func (s *Session) AppendState(dst []byte, scope Scope) []byte {
	w := beginState(dst, stateSession)
	w.uint(uint64(len(s.domains)))
	for key, d := range s.domains {
		w.uint(uint64(key.version))
		w.uint(uint64(key.id))
		w.uint(uint64(len(d.templates)))
		for _, t := range d.templates {
			w.bool(t.Options)
			w.int(t.seen)
			w.octets(t.raw)
		}
		w.bool(scope == ScopeLive && d.seq.seen)
		if scope == ScopeLive && d.seq.seen {
			w.sequence(&d.seq)
		}
	}
	held := s.held.sets
	if scope != ScopeLive {
		held = nil
	}
	w.uint(uint64(len(held)))
	for i := range held {
		w.held(&held[i])
	}
	return w.end()
}

// RestoreState takes up a state that AppendState wrote at the start of b, within the quotas, and returns what follows it.
// What the session has learnt since is not replaced. On error nothing is taken up.
func (s *Session) RestoreState(b []byte) (rest []byte, err error) {
	payload, rest, err := openState(b, stateSession)
	if err != nil {
		return b, err
	}
	// A payload of the right sum reads to its end unless it was not written by AppendState; a first pass over it, into
	// a session that is thrown away, keeps this one clean.
	trial := NewSession(s.model, s.cfg, nil)
	if err := trial.restore(payload); err != nil {
		return b, err
	}
	return rest, s.restore(payload)
}

// restore reads a payload.
func (s *Session) restore(payload []byte) error {
	r := stateReader{b: payload}
	for range r.count() {
		key := domainKey{uint16(r.uint(math.MaxUint16)), uint32(r.uint(math.MaxUint32))}
		if !key.known() {
			return ErrState
		}
		d := s.domain(key)
		for range r.count() {
			options, seen, raw := r.bool(), r.int(), r.octets()
			if err := s.restoreTemplate(d, options, seen, raw); err != nil {
				return err
			}
		}
		if r.bool() {
			q := r.sequence()
			if d != nil && !d.seq.seen {
				d.seq = q
			}
		}
	}
	for range r.count() {
		s.restoreHeld(&r)
	}
	return r.end()
}

// known reports whether the key is of a version that a session decodes.
func (k domainKey) known() bool { return k.version == VersionIPFIX || k.version == VersionNetFlow9 }

// restoreTemplate makes a saved template known, unless the domain has one of its id.
func (s *Session) restoreTemplate(d *domain, options bool, seen int64, raw []byte) error {
	if len(raw) < 4 {
		return ErrState
	}
	if d == nil {
		return nil // over a quota
	}
	kind := templateKind{d.key.version, options}
	spec, err := parseTemplateSpec(raw, kind)
	if err != nil || len(spec.raw) != len(raw) || spec.id < minTemplateID || spec.count == 0 {
		return fmt.Errorf("template %d: %w", spec.id, ErrState)
	}
	if d.templates[spec.id] != nil || !s.room(nil, spec.count) {
		return nil
	}
	t, err := newTemplate(spec, kind, d.key.id, s.model)
	if err != nil {
		return fmt.Errorf("template %d: %w", spec.id, ErrState)
	}
	t.seen = seen
	s.put(d, t)
	return nil
}

// restoreHeld reads a held set and keeps it, if it still fits and waits.
func (s *Session) restoreHeld(r *stateReader) {
	set := r.held()
	key := domainKey{set.header.Version, set.header.Domain}
	if r.failed || len(set.data) < lead || set.template < minTemplateID || !key.known() {
		r.failed = true
		return
	}
	d := s.domain(key)
	need := s.held.size(len(set.data))
	if d == nil || d.templates[set.template] != nil || !s.holdRoom(need, 0, 0) {
		s.DroppedSets++
		return
	}
	set.domain = d
	s.keep(set)
}

// AppendState appends the state of the tables.
func (t *Tables) AppendState(dst []byte) []byte {
	w := beginState(dst, stateTables)
	w.uint(uint64(len(t.domains)))
	for id, o := range t.domains {
		w.uint(uint64(id))
		saveMap(w, o.IngressVRFs, (*stateWriter).vrf)
		saveMap(w, o.EgressVRFs, (*stateWriter).vrf)
		saveMap(w, o.Interfaces, (*stateWriter).iface)
		saveMap(w, o.Selectors, (*stateWriter).sampling)
		saveMap(w, o.Samplers, (*stateWriter).sampling)
		saveMap(w, o.PerIf, (*stateWriter).sampling)
		saveMap(w, o.Sequences, (*stateWriter).selection)
		w.sampling(&o.Default)
		w.int(o.SystemInit)
		w.octets(o.Exporter.AsSlice())
		w.int(int64(o.ActiveTimeout))
		w.int(int64(o.IdleTimeout))
		w.told(&o.About)
	}
	return w.end()
}

// RestoreState takes up tables that AppendState wrote at the start of b, within the quotas, and returns what follows
// them. Entries told since are not replaced. On error nothing is taken up.
func (t *Tables) RestoreState(b []byte) (rest []byte, err error) {
	payload, rest, err := openState(b, stateTables)
	if err != nil {
		return b, err
	}
	if err := NewTables(t.cfg).restore(payload); err != nil {
		return b, err
	}
	return rest, t.restore(payload)
}

// restore reads a payload.
func (t *Tables) restore(payload []byte) error {
	r := &stateReader{b: payload}
	for range r.count() {
		o := t.Domain(uint32(r.uint(math.MaxUint32)))
		restoreMap(r, o, &o.IngressVRFs, (*stateReader).vrf)
		restoreMap(r, o, &o.EgressVRFs, (*stateReader).vrf)
		restoreMap(r, o, &o.Interfaces, (*stateReader).iface)
		restoreMap(r, o, &o.Selectors, (*stateReader).sampling)
		restoreMap(r, o, &o.Samplers, (*stateReader).sampling)
		restoreMap(r, o, &o.PerIf, (*stateReader).sampling)
		restoreMap(r, o, &o.Sequences, (*stateReader).selection)
		def, init, exporter := r.sampling(), r.int(), r.octets()
		active, idle, about := r.int(), r.int(), r.told()
		if o.Default.Updated < def.Updated {
			o.Default = def
		}
		if o.About == (Told{}) {
			o.About = about
		}
		if o.SystemInit == 0 {
			o.SystemInit = init
		}
		if a, ok := netip.AddrFromSlice(exporter); ok && !o.Exporter.IsValid() {
			o.Exporter = a
		}
		if o.ActiveTimeout == 0 {
			o.ActiveTimeout = time.Duration(active)
		}
		if o.IdleTimeout == 0 {
			o.IdleTimeout = time.Duration(idle)
		}
		o.changes++
		o.nameDefault()
	}
	return r.end()
}

// saveMap writes a table.
func saveMap[K uint32 | uint64, V any](w *stateWriter, m map[K]V, save func(*stateWriter, *V)) {
	w.uint(uint64(len(m)))
	for k, v := range m {
		w.uint(uint64(k))
		save(w, &v)
	}
}

// restoreMap reads a table into one, whose own entries stay.
func restoreMap[K uint32 | uint64, V any](r *stateReader, o *Options, table *map[K]V, restore func(*stateReader) V) {
	for range r.count() {
		k := K(r.uint(math.MaxUint64))
		v := restore(r)
		if _, known := (*table)[k]; known || r.failed || o.tables.entries >= o.tables.cfg.MaxOptions {
			continue
		}
		if *table == nil {
			*table = make(map[K]V)
		}
		o.tables.entries++
		(*table)[k] = v
	}
}

// beginState begins a frame.
func beginState(dst []byte, kind byte) *stateWriter {
	return &stateWriter{out: dst, kind: kind}
}

// openState checks the frame at the start of b and returns its payload and what follows.
func openState(b []byte, kind byte) (payload, rest []byte, err error) {
	const head = len(stateMagic) + 2
	if len(b) < head || string(b[:3]) != stateMagic || b[3] != kind {
		return nil, b, fmt.Errorf("no state of kind %c: %w", kind, ErrState)
	}
	if b[4] != stateVersion {
		return nil, b, fmt.Errorf("version %d: %w", b[4], ErrState)
	}
	n, size := binary.Uvarint(b[head:])
	if size <= 0 || n > uint64(len(b)) || uint64(len(b)-head-size) < n+crc32.Size {
		return nil, b, fmt.Errorf("cut short: %w", ErrState)
	}
	end := head + size + int(n)
	if crc32.Checksum(b[:end], castagnoli) != binary.BigEndian.Uint32(b[end:]) {
		return nil, b, fmt.Errorf("checksum: %w", ErrState)
	}
	return b[head+size : end], b[end+crc32.Size:], nil
}
