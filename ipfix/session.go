package ipfix

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
)

// Handler takes what a Session decodes.
type Handler interface {
	// Flow is called for every data record, in order. The Flow and all it points to are valid during the call only.
	Flow(f *Flow)
}

// BatchHandler is a Handler that takes flows several at a time, so that it can have memory fetched for all of them before it needs it
// for the first.
type BatchHandler interface {
	Handler
	// Flows is called in place of Flow with data records of one set that follow one another, BatchFlows of them at most.
	Flows(batch []Flow)
}

// Observer is a Handler that also wants to see what is not a flow. All it is given is valid during the call only,
// but for the Template, which does not change and may be kept.
type Observer interface {
	Handler
	// Message is called when a message's header was read, before its sets.
	Message(h *Header)
	// Template is called when a template was learnt, changed, refreshed or withdrawn.
	Template(t *Template, change TemplateChange)
	// Options is called for every options record, after it was read into the tables.
	Options(h *Header, r Record)
	// Unknown is called for a data set whose template is not known.
	Unknown(h *Header, template uint16, set []byte)
}

// TemplateChange says what happened to a template.
type TemplateChange uint8

// The changes of a template.
const (
	TemplateLearnt TemplateChange = iota
	TemplateChanged
	TemplateRefreshed
	TemplateWithdrawn
)

// String gives the change as a word.
func (c TemplateChange) String() string {
	return [...]string{"learnt", "changed", "refreshed", "withdrawn"}[c]
}

// Session decodes the messages of one transport session: all datagrams of a device, or one TCP connection. It holds their
// templates by observation domain. It belongs to one goroutine.
type Session struct {
	Counters

	model   *Model
	cfg     Config
	tables  *Tables
	domains map[domainKey]*domain

	changes uint64 // counts changes of templates

	held    holder
	scratch scratch
	message message

	// Of the message being decoded.
	batch   *batch
	watch   Observer     // nil if the handler is none
	batches BatchHandler // nil if the handler is none
	swept   int64        // when templates were last checked for age
}

// domainKey identifies an observation domain: NetFlow v9 has source ids of its own.
type domainKey struct {
	version uint16
	id      uint32
}

// domain is an observation domain of a session.
type domain struct {
	key       domainKey
	templates map[uint16]*Template
	waiting   map[uint16]int // held sets by the template they wait for
	options   *Options
	model     *Model // for elements in lists
	seq       sequence
	messages  uint64
	records   uint64
	rates     rateCache
}

// message is the message being decoded.
type message struct {
	Header
	now     int64
	records uint32 // data records of any kind, as IPFIX counts them
	unsure  bool   // not all could be counted
}

// NewSession returns a session without templates. What it learns from options data goes to tables, which may be nil for
// tables of its own.
func NewSession(model *Model, cfg Config, tables *Tables) *Session {
	if tables == nil {
		tables = NewTables(cfg)
	}
	return &Session{model: model, cfg: cfg.withDefaults(), tables: tables, domains: make(map[domainKey]*domain)}
}

// Tables gives the option tables that the session feeds.
func (s *Session) Tables() *Tables { return s.tables }

// Decode decodes one whole message received at a time in Unix nanoseconds, gives its flows to h and keeps nothing of msg. An error
// says that at least a part of the message could not be read; records before that part were given, and the counters say
// what it was. It allocates nothing for a message whose templates and options are known.
func (s *Session) Decode(msg []byte, now int64, h Handler) error {
	head, err := ParseHeader(msg)
	if err != nil {
		if errors.Is(err, ErrVersion) {
			s.BadVersions++
		} else {
			s.BadMessages++
		}
		return err
	}
	d := s.domain(domainKey{head.Version, head.Domain})
	if d == nil {
		s.DomainsRefused++
		return fmt.Errorf("observation domain %d: %w", head.Domain, ErrQuota)
	}
	s.Messages++
	if head.Version == VersionIPFIX {
		s.MessagesIPFIX++
	} else {
		s.MessagesV9++
	}
	if head.Length < len(msg) {
		s.Trailing++
	}
	s.message = message{Header: head, now: now}
	m := &s.message
	s.watch, _ = h.(Observer)
	s.batches, _ = h.(BatchHandler)
	s.batch = takeBatch() // lost if h panics
	if s.watch != nil {
		s.watch.Message(&m.Header)
	}
	err = s.sets(d, m, msg[:head.Length], h)
	s.batch.giveBack()
	s.batch = nil
	units := m.records
	if head.Version == VersionNetFlow9 {
		units, m.unsure = 1, false
	}
	d.messages++
	d.records += uint64(m.records)
	v := d.seq.follow(&m.Header, units, !m.unsure)
	s.SequenceLost += v.lost
	s.SequenceLate += v.late
	if v.restart {
		s.SequenceRestarts++
	}
	return err
}

// domain returns an observation domain, nil when there are too many.
func (s *Session) domain(key domainKey) *domain {
	if d := s.domains[key]; d != nil {
		return d
	}
	if len(s.domains) >= s.cfg.MaxDomains {
		return nil
	}
	d := &domain{
		key:       key,
		templates: make(map[uint16]*Template),
		waiting:   make(map[uint16]int),
		options:   s.tables.Domain(key.id),
		model:     s.model,
	}
	s.domains[key] = d
	return d
}

// Domains goes over the observation domains of the session, in no order.
func (s *Session) Domains() iter.Seq[Domain] {
	return func(yield func(Domain) bool) {
		for key, d := range s.domains {
			held := 0
			for _, n := range d.waiting {
				held += n
			}
			if !yield(Domain{
				Version: key.version, ID: key.id, Templates: len(d.templates), Held: held,
				Messages: d.messages, Records: d.records, Sequence: d.seq.Sequence,
			}) {
				return
			}
		}
	}
}

// Templates goes over the templates of the session, in no order.
func (s *Session) Templates() iter.Seq[*Template] {
	return func(yield func(*Template) bool) {
		for _, d := range s.domains {
			for _, t := range d.templates {
				if !yield(t) {
					return
				}
			}
		}
	}
}

// sets walks the sets of a message. It returns the first error, but goes on where the framing still holds.
func (s *Session) sets(d *domain, m *message, msg []byte, h Handler) error {
	var first error
	at := m.octets()
	for len(msg)-at >= setHeaderLen {
		id, n := binary.BigEndian.Uint16(msg[at:]), int(binary.BigEndian.Uint16(msg[at+2:]))
		if n < setHeaderLen || n > len(msg)-at {
			s.BadSets++
			m.unsure = true
			if first == nil {
				first = fmt.Errorf("set %d at octet %d of %d octets, %d left: %w", id, at, n, len(msg)-at, ErrSet)
			}
			return first
		}
		s.Sets++
		if err := s.set(d, m, id, msg[:at+n], at+setHeaderLen, h); err != nil && first == nil {
			first = fmt.Errorf("set %d at octet %d: %w", id, at, err)
		}
		at += n
	}
	return first
}

// set decodes one set by its id, whose records begin at octet off of the message and end with it.
func (s *Session) set(d *domain, m *message, id uint16, msg []byte, off int, h Handler) error {
	switch {
	case id >= minTemplateID:
		t := d.templates[id]
		if t == nil {
			m.unsure = true
			if s.watch != nil {
				s.watch.Unknown(&m.Header, id, msg[off:])
			}
			s.hold(d, m, id, msg, off)
			return nil
		}
		n, err := s.dataSet(d, t, m, off, msg, off, h)
		m.records += n
		m.unsure = m.unsure || err != nil
		return err
	case m.Version == VersionIPFIX && id == setTemplate, m.Version == VersionNetFlow9 && id == setTemplateV9:
		return s.templateSet(d, m, templateKind{m.Version, false}, msg[off:], h)
	case m.Version == VersionIPFIX && id == setOptions, m.Version == VersionNetFlow9 && id == setOptionsV9:
		return s.templateSet(d, m, templateKind{m.Version, true}, msg[off:], h)
	}
	s.SkippedSets++
	return nil
}

// dataSet decodes the records of a set and gives their number. The set begins at octet base of the message, which is the
// octet at off of buf.
func (s *Session) dataSet(d *domain, t *Template, m *message, base int, buf []byte, off int, h Handler) (uint32, error) {
	s.scratch.clock = clock{export: m.ExportTime, uptime: m.Uptime, v9: m.Version == VersionNetFlow9, systemInit: d.options.systemInit()}
	records, at, err := s.dataRecords(d, t, m, base, buf, off, h)
	s.hand(h)
	t.used += uint64(records)
	switch {
	case err != nil:
		s.BadRecords++
		return records, fmt.Errorf("template %d, record at octet %d: %w", t.ID, base+at-off, err)
	case records == 0 && len(buf) > off: // a set has one record or more, so this is no padding: the template is not the exporter's
		s.BadRecords++
		return 0, fmt.Errorf("template %d, %d octets for records of %d or more: %w", t.ID, len(buf)-off, t.minLen, ErrRecord)
	}
	return records, nil
}

// dataRecords decodes the records of a set as far as they can be read, and gives their number and the octet of buf where it stopped. Some
// flows are still to be handed over then.
func (s *Session) dataRecords(d *domain, t *Template, m *message, base int, buf []byte, off int, h Handler) (records uint32, at int, err error) {
	for at = off; len(buf)-at >= t.minLen; records++ { // what is left is padding, RFC 7011 section 3.3.1
		spans := s.batch.nextSpans(t)
		n, err := t.measure(buf[at:], spans)
		if err != nil {
			return records, at, err
		}
		if t.Options {
			s.optionsRecord(d, t, m, buf[at:at+n], spans)
		} else {
			f := s.batch.next()
			f.Position = uint32(base + at - off)
			s.flowRecord(d, t, m, f, buf[at-lead:at+n], spans)
			if s.batch.n == BatchFlows {
				s.hand(h)
			}
		}
		at += n
	}
	return records, at, nil
}

// hand gives the flows of a batch to the handler.
func (s *Session) hand(h Handler) {
	flows := s.batch.take()
	if s.batches != nil && len(flows) > 0 {
		s.DataRecords += uint64(len(flows))
		s.batches.Flows(flows)
		return
	}
	for i := range flows {
		s.DataRecords++
		h.Flow(&flows[i])
	}
}

// flowRecord decodes one data record, given as its window, into f.
func (s *Session) flowRecord(d *domain, t *Template, m *message, f *Flow, window []byte, spans []span) {
	rec := window[lead:]
	p := t.plans.choose(rec, spans)
	if p != f.Record.plan || !p.repeats {
		f.reset()
		f.Record = Record{Template: t, plan: p, domain: d}
	} else { // the fields of the last record there are those of this one
		f.Start, f.End, f.SamplingRate = 0, 0, 0
		f.MPLSLabels, f.SRv6Segments = f.MPLSLabels[:0], f.SRv6Segments[:0]
	}
	f.Version, f.TemplateID, f.Domain = m.Version, t.ID, m.Domain
	f.Sequence, f.ExportTime, f.Options = m.Sequence, m.ExportTime, d.options
	f.Record.data, f.Record.spans = rec, spans
	p.run(f, window, spans, &s.scratch)
	if r := d.options.rateOf(&s.scratch.sampling, f.InIf, &d.rates); r > 0 {
		f.SamplingRate = r
		f.Has |= FieldSamplingRate
	}
	f.typeByFamily()
}

// optionsRecord reads one options record into the tables.
func (s *Session) optionsRecord(d *domain, t *Template, m *message, rec []byte, spans []span) {
	o := readOptions(t, rec, spans)
	s.tables.apply(d.key.id, &o, Told{Updated: m.now, Template: t.ID})
	s.OptionsRecords++
	s.tables.Records++
	if s.watch != nil {
		s.watch.Options(&m.Header, Record{Template: t, data: rec, spans: spans, domain: d})
	}
}

// End gives back to the device's quotas what the session keeps, when its transport session has ended: templates, and held sets, for
// which no template will come. The counters stay; the session must not be used any more.
func (s *Session) End() {
	s.EndedSets += uint64(len(s.held.sets))
	s.discard(len(s.held.sets))
	for _, d := range s.domains {
		for _, t := range d.templates {
			s.drop(d, t)
		}
	}
}

// Stop drops the held sets, when nobody will decode what comes next. Templates stay: they can still be saved.
func (s *Session) Stop() {
	s.StoppedSets += uint64(len(s.held.sets))
	s.discard(len(s.held.sets))
}

// Expire drops templates, held data and options entries that are too old at a time in Unix nanoseconds. Call it now and
// then; it looks at templates and options at most once a minute.
func (s *Session) Expire(now int64) {
	s.expireHeld(now)
	const sweep = 60_000_000_000
	if now-s.swept < sweep && now >= s.swept {
		return
	}
	s.swept = now
	s.expireTemplates(now)
	s.tables.Expire(now)
}
