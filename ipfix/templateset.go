package ipfix

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
)

// templateSet reads the template records of a set. It returns the first error, but goes on where the framing still holds.
func (s *Session) templateSet(d *domain, m *message, kind templateKind, set []byte, h Handler) error {
	var first error
	for len(set) >= 4 {
		if id := binary.BigEndian.Uint16(set); id < minTemplateID {
			if s.withdrawAll(d, kind, set) {
				set = set[4:]
				continue
			}
			if allZero(set) {
				return first // padding
			}
			s.BadTemplates++
			return cmp.Or(first, fmt.Errorf("template id %d: %w", id, ErrTemplate))
		}
		spec, err := parseTemplateSpec(set, kind)
		if err != nil {
			s.BadTemplates++
			return cmp.Or(first, err)
		}
		set = set[len(spec.raw):]
		first = cmp.Or(first, s.learn(d, m, spec, kind, h))
	}
	return first
}

// learn takes one template record: a definition, or a withdrawal.
func (s *Session) learn(d *domain, m *message, spec templateSpec, kind templateKind, h Handler) error {
	old := d.templates[spec.id]
	if spec.count == 0 {
		if kind.version == VersionNetFlow9 {
			s.BadTemplates++
			return nil
		}
		if old != nil && !s.cfg.IgnoreWithdrawals {
			s.withdraw(d, old)
		}
		return nil
	}
	if old != nil && old.Options == kind.options && bytes.Equal(old.raw, spec.raw) {
		old.seen = m.now
		s.TemplatesRefreshed++
		s.observe(old, TemplateRefreshed)
		return nil
	}
	if !s.room(old, spec.count) {
		s.TemplatesRefused++
		s.outdated(d, old)
		return nil
	}
	t, err := newTemplate(spec, kind, d.key.id, s.model)
	if err != nil {
		s.BadTemplates++
		s.outdated(d, old)
		return err
	}
	t.seen = m.now
	if old != nil {
		s.TemplatesChanged++
		s.drop(d, old)
		s.put(d, t)
		s.observe(t, TemplateChanged)
		return nil
	}
	s.TemplatesLearnt++
	s.put(d, t)
	s.observe(t, TemplateLearnt)
	s.release(d, t, m.now, h)
	return nil
}

// outdated forgets a template, if there was one, whose new definition was not taken: it does not describe the data that follows.
func (s *Session) outdated(d *domain, old *Template) {
	if old != nil {
		s.drop(d, old)
	}
}

// room reports whether a template of so many fields fits the quotas, in the place of old if that is not nil.
func (s *Session) room(old *Template, fields int) bool {
	templates, all := s.tables.use.templates+1, s.tables.use.fields+fields
	if old != nil {
		templates, all = templates-1, all-len(old.Fields)
	}
	return fields <= s.cfg.MaxFields && templates <= s.cfg.MaxTemplates && all <= s.cfg.MaxTotalFields
}

// put makes a template known.
func (s *Session) put(d *domain, t *Template) {
	d.templates[t.ID] = t
	s.tables.use.templates++
	s.tables.use.fields += len(t.Fields)
	s.changes++
}

// drop forgets a template.
func (s *Session) drop(d *domain, t *Template) {
	delete(d.templates, t.ID)
	s.tables.use.templates--
	s.tables.use.fields -= len(t.Fields)
	s.changes++
}

// withdraw forgets a template that the device took back.
func (s *Session) withdraw(d *domain, t *Template) {
	s.drop(d, t)
	s.TemplatesWithdrawn++
	s.observe(t, TemplateWithdrawn)
}

// withdrawAll obeys the withdrawal of all templates or all options templates of a domain, a record with the id of the
// set itself and no fields (RFC 7011 section 8.1), and reports whether the set begins with one.
func (s *Session) withdrawAll(d *domain, kind templateKind, set []byte) bool {
	id := uint16(setTemplate)
	if kind.options {
		id = setOptions
	}
	if kind.version != VersionIPFIX || binary.BigEndian.Uint16(set) != id || binary.BigEndian.Uint16(set[2:]) != 0 {
		return false
	}
	if s.cfg.IgnoreWithdrawals {
		return true
	}
	for _, t := range d.templates {
		if t.Options == kind.options {
			s.withdraw(d, t)
		}
	}
	return true
}

// observe tells the observer of the message, if any, about a template.
func (s *Session) observe(t *Template, change TemplateChange) {
	if s.watch != nil {
		s.watch.Template(t, change)
	}
}

// expireTemplates drops the templates that were not sent again in time.
func (s *Session) expireTemplates(now int64) {
	if s.cfg.TemplateAge < 0 {
		return
	}
	for _, d := range s.domains {
		for _, t := range d.templates {
			if now-t.seen > int64(s.cfg.TemplateAge) {
				s.drop(d, t)
				s.TemplatesExpired++
			}
		}
	}
}

// allZero reports whether b holds nothing but zeros.
func allZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}
