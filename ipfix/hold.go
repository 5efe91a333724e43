package ipfix

// heldSet is a data set that waits for its template.
type heldSet struct {
	domain   *domain
	template uint16
	header   Header
	base     int    // octet of its message at which the records begin
	data     []byte // lead octets, then the records
	since    int64
}

// holder keeps data sets until their templates come, oldest first.
type holder struct {
	sets  []heldSet
	bytes int
}

// heldOverhead is what a held set costs beside its octets.
const heldOverhead = 128

// size is what a set of n octets counts against Config.HoldBytes.
func (h *holder) size(n int) int { return n + heldOverhead }

// hold keeps a copy of a set whose template is not known.
func (s *Session) hold(d *domain, m *message, id uint16, msg []byte, off int) {
	s.UnknownSets++
	data := msg[off-lead:]
	need := s.held.size(len(data))
	if need > s.cfg.HoldBytes || s.cfg.HoldSets == 0 {
		s.DroppedSets++
		return
	}
	drop, room := 0, 0
	for !s.holdRoom(need, drop, room) {
		if drop == len(s.held.sets) { // other sessions of the device have all the room
			s.DroppedSets++
			return
		}
		room += s.held.size(len(s.held.sets[drop].data))
		drop++
	}
	if drop > 0 {
		drop = max(drop, len(s.held.sets)/8) // moving the rest up costs: not for each one
		s.DroppedSets += uint64(drop)
		s.discard(drop)
	}
	s.keep(heldSet{
		domain: d, template: id, header: m.Header, base: off,
		data: append([]byte(nil), data...), since: m.now,
	})
	s.HeldSets++
}

// holdRoom reports whether a set of so many octets fits the quotas of the device once others of this session, so many with
// so many octets, are dropped.
func (s *Session) holdRoom(need, dropped, octets int) bool {
	use := &s.tables.use
	return use.heldBytes-octets+need <= s.cfg.HoldBytes && use.heldSets-dropped < s.cfg.HoldSets
}

// keep takes a held set into the books.
func (s *Session) keep(h heldSet) {
	size := s.held.size(len(h.data))
	s.held.sets = append(s.held.sets, h)
	s.held.bytes += size
	s.tables.use.heldBytes += size
	s.tables.use.heldSets++
	h.domain.waiting[h.template]++
}

// discard drops the oldest n held sets.
func (s *Session) discard(n int) {
	for i := range n {
		s.forget(&s.held.sets[i])
	}
	rest := copy(s.held.sets, s.held.sets[n:])
	clear(s.held.sets[rest:])
	s.held.sets = s.held.sets[:rest]
}

// forget takes a held set out of the books.
func (s *Session) forget(h *heldSet) {
	size := s.held.size(len(h.data))
	s.held.bytes -= size
	s.tables.use.heldBytes -= size
	s.tables.use.heldSets--
	if h.domain.waiting[h.template]--; h.domain.waiting[h.template] <= 0 {
		delete(h.domain.waiting, h.template)
	}
}

// release decodes the sets that waited for a template, in the order they came.
func (s *Session) release(d *domain, t *Template, now int64, h Handler) {
	if d.waiting[t.ID] == 0 {
		return
	}
	kept, ready := s.held.sets[:0], []heldSet(nil)
	for i := range s.held.sets {
		if set := s.held.sets[i]; set.domain == d && set.template == t.ID {
			ready = append(ready, set)
		} else {
			kept = append(kept, set)
		}
	}
	clear(s.held.sets[len(kept):])
	s.held.sets = kept
	for i := range ready {
		set := &ready[i]
		s.forget(set)
		s.ReleasedSets++
		m := message{Header: set.header, now: now}
		n, _ := s.dataSet(d, t, &m, set.base, set.data, lead, h) // an error is counted
		d.records += uint64(n)
	}
}

// expireHeld drops the sets that waited too long.
func (s *Session) expireHeld(now int64) {
	if s.cfg.HoldAge < 0 {
		return
	}
	n := 0
	for n < len(s.held.sets) && now-s.held.sets[n].since > int64(s.cfg.HoldAge) {
		n++
	}
	if n > 0 {
		s.ExpiredSets += uint64(n)
		s.discard(n)
	}
}

// Held gives the number and the octets of the data sets that wait for their template.
func (s *Session) Held() (sets, octets int) { return len(s.held.sets), s.held.bytes }
