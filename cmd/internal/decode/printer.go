package decode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// printer writes events in one of the formats. A message's own lines wait until something of it is shown, if it is told so.
type printer struct {
	w       io.Writer
	json    *json.Encoder // nil for text
	pending *messageEvent // not shown yet
	shown   bool          // the message that goes on was shown
	err     error         // the first of writing
}

func newPrinter(o *Options, w io.Writer) *printer {
	p := &printer{w: w}
	if o.Format == JSON {
		p.json = json.NewEncoder(w)
		p.json.SetEscapeHTML(false)
	}
	return p
}

// show writes an event: as it is, or its text.
func (p *printer) show(event any, text func(io.Writer)) {
	if m := p.pending; m != nil {
		p.pending, p.shown = nil, true
		p.show(m, m.write)
	}
	var err error
	if p.json != nil {
		err = p.json.Encode(event)
	} else {
		var b bytes.Buffer
		text(&b)
		_, err = p.w.Write(b.Bytes())
	}
	if p.err == nil {
		p.err = err
	}
}

// beginMessage takes a message's header, to be shown now or before the first line that belongs to it.
func (p *printer) beginMessage(m *messageEvent, now bool) {
	p.endMessage()
	p.pending = m
	if now {
		p.pending, p.shown = nil, true
		p.show(m, m.write)
	}
}

// open reports whether the message that is being decoded has been shown.
func (p *printer) open() bool { return p.shown }

// endMessage forgets a message that was not shown.
func (p *printer) endMessage() { p.pending, p.shown = nil, false }

func (p *printer) template(e *templateEvent)   { p.show(e, e.write) }
func (p *printer) record(e *recordEvent)       { p.show(e, e.write) }
func (p *printer) unknown(e *unknownEvent)     { p.show(e, e.write) }
func (p *printer) malformed(e *malformedEvent) { p.show(e, e.write) }
func (p *printer) tables(e *tablesEvent)       { p.show(e, e.write) }
func (p *printer) bmp(e *bmpEvent)             { p.show(e, e.write) }
func (p *printer) event(e *publishedEvent)     { p.show(e, e.write) }
func (p *printer) peers(e *peersEvent)         { p.show(e, e.write) }

// line writes a line that is for people alone.
func (p *printer) line(text string) {
	if p.json == nil && text != "" {
		p.show(nil, func(w io.Writer) { fmt.Fprintf(w, "  %s\n", text) })
	}
}

func (p *printer) summary(s *Summary) {
	e := s.event()
	p.show(e, e.write)
}

const clockLayout = "2006-01-02 15:04:05.000000"

func (e *messageEvent) write(w io.Writer) {
	fmt.Fprintf(w, "%s %v > %v %s: %s domain %d, sequence %d, exported %s, %d octets\n",
		e.Time.Format(clockLayout), e.From, e.To, e.Transport, e.Protocol, e.Domain, e.Sequence, e.Exported.Format(time.DateTime), e.Octets)
	var sets []string
	for _, s := range e.Sets {
		sets = append(sets, fmt.Sprintf("%s at %d, %d octets", setName(e.Protocol, s.ID), s.Offset, s.Octets))
	}
	if len(sets) > 0 {
		fmt.Fprintf(w, "  sets: %s\n", strings.Join(sets, "; "))
	}
}

// setName says what is in a set.
func setName(protocol string, id uint16) string {
	switch {
	case id >= 256:
		return fmt.Sprintf("data of %d", id)
	case id == 2 && protocol == "ipfix", id == 0 && protocol != "ipfix":
		return "templates"
	case id == 3 && protocol == "ipfix", id == 1 && protocol != "ipfix":
		return "options templates"
	}
	return fmt.Sprintf("reserved id %d", id)
}

func (e *templateEvent) write(w io.Writer) {
	name := "template"
	if e.Options {
		name = "options template"
	}
	fmt.Fprintf(w, "  %s %d %s", name, e.Template, e.Change)
	if len(e.Fields) > 0 {
		fmt.Fprintf(w, ", %d fields", len(e.Fields))
	}
	fmt.Fprintln(w)
	for _, f := range e.Fields {
		number := fmt.Sprint(f.ID)
		if f.PEN != 0 {
			number = fmt.Sprintf("%d.%d", f.PEN, f.ID)
		}
		line := fmt.Sprintf("    %-32s %-10s %v", f.Name, number, f.Octets)
		if f.Type != "" {
			line += " " + f.Type
		} else {
			line += " (not in the registry)"
		}
		if f.Scope {
			line += ", scope"
		}
		fmt.Fprintln(w, line)
	}
}

func (e *recordEvent) write(w io.Writer) {
	switch {
	case e.Offset == nil:
		fmt.Fprintf(w, "  options record of %d\n", e.Template)
	case e.Held:
		fmt.Fprintf(w, "  data record of %d, held since message %d, at %d\n", e.Template, e.Sequence, *e.Offset)
	default:
		fmt.Fprintf(w, "  data record of %d, at %d\n", e.Template, *e.Offset)
	}
	for _, f := range e.texts {
		fmt.Fprintf(w, "    %-32s %s\n", f.name, f.value)
	}
	if e.Record != nil {
		fmt.Fprintf(w, "    => %s\n", e.Record)
	}
}

func (e *unknownEvent) write(w io.Writer) {
	fmt.Fprintf(w, "  data of %d, %d octets, without a template: held\n", e.Template, e.Octets)
}

func (e *malformedEvent) write(w io.Writer) {
	fmt.Fprintf(w, "  MALFORMED at %s, %v > %v, %d octets: %s\n    begins 0x%s\n", e.Time.Format(clockLayout), e.From, e.To, e.Octets, e.Reason, e.Begin)
}

func (e *tablesEvent) write(w io.Writer) {
	fmt.Fprintf(w, "option tables of %v, domain %d\n", e.Device, e.Domain)
	for _, r := range e.Rows {
		name := r.Table
		if r.Key != nil {
			name = fmt.Sprintf("%s %d", r.Table, *r.Key)
		}
		fmt.Fprintf(w, "  %-24s %s", name, r.Value)
		if r.Template != 0 {
			fmt.Fprintf(w, "  (template %d, %s)", r.Template, r.Updated.Format(clockLayout))
		}
		fmt.Fprintln(w)
	}
}
