package ipfix

// MoveTo gives the session to another device: what it learns from options data goes to that one's tables, and what it keeps counts against
// that one's quotas. Templates and held sets that do not fit are dropped and counted as those that come. What the old tables hold
// stays there, see Tables.Merge.
func (s *Session) MoveTo(t *Tables) {
	if t == s.tables {
		return
	}
	held := s.held.sets
	for i := range held {
		s.forget(&held[i])
	}
	kept := make(map[*domain][]*Template, len(s.domains))
	for _, d := range s.domains {
		for _, tpl := range d.templates {
			kept[d] = append(kept[d], tpl)
			s.drop(d, tpl)
		}
	}
	s.held = holder{}
	s.tables = t
	for key, d := range s.domains {
		d.options, d.rates = t.Domain(key.id), rateCache{}
		for _, tpl := range kept[d] {
			if !s.room(nil, len(tpl.Fields)) {
				s.TemplatesRefused++
				continue
			}
			s.put(d, tpl)
		}
	}
	for i := range held {
		if !s.holdRoom(s.held.size(len(held[i].data)), 0, 0) {
			s.DroppedSets++
			continue
		}
		s.keep(held[i])
	}
}

// Merge takes up what the tables of another device hold and these do not, within the quotas, and counts it as new. An entry that both
// have stays as it is here. The other tables are not changed, and share no map with these.
func (t *Tables) Merge(from *Tables) {
	for id, f := range from.domains {
		if f.Len() == 0 && f.Default == (Sampling{}) && f.About == (Told{}) {
			continue
		}
		o := t.Domain(id)
		if id != 0 && o == t.domains[0] { // over the quota: what one domain was told is not true of all
			continue
		}
		o.merge(f)
	}
}

func (o *Options) merge(f *Options) {
	mergeMap(o, &o.IngressVRFs, f.IngressVRFs)
	mergeMap(o, &o.EgressVRFs, f.EgressVRFs)
	mergeMap(o, &o.Interfaces, f.Interfaces)
	mergeMap(o, &o.Selectors, f.Selectors)
	mergeMap(o, &o.Samplers, f.Samplers)
	mergeMap(o, &o.Sequences, f.Sequences)
	mergeMap(o, &o.PerIf, f.PerIf)
	if o.Default == (Sampling{}) {
		o.Default = f.Default
	}
	if o.SystemInit == 0 {
		o.SystemInit = f.SystemInit
	}
	if !o.Exporter.IsValid() {
		o.Exporter = f.Exporter
	}
	if o.ActiveTimeout == 0 {
		o.ActiveTimeout = f.ActiveTimeout
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = f.IdleTimeout
	}
	if o.About == (Told{}) {
		o.About = f.About
	}
	o.changes++
	o.nameDefault()
}

// nameDefault looks for the default table among the VRFs.
func (o *Options) nameDefault() {
	for _, vrfs := range [...]map[uint32]VRF{o.IngressVRFs, o.EgressVRFs} {
		for _, v := range vrfs {
			o.namesDefault = o.namesDefault || v.isDefault()
		}
	}
}

// mergeMap takes the entries that a table lacks.
func mergeMap[K comparable, V any](o *Options, table *map[K]V, from map[K]V) {
	for k, v := range from {
		if _, known := (*table)[k]; known {
			continue
		}
		update(o, table, k, func(entry *V) bool {
			*entry = v
			return false
		})
	}
}
