package glass

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/ipfix"
)

// Template is a line of /devices/{device}/templates.
type Template struct {
	Session  string          `json:"session"` // transport session whose it is
	Protocol string          `json:"protocol"`
	Domain   uint32          `json:"domain"`
	ID       uint16          `json:"id"`
	Kind     string          `json:"kind"`    // data or options
	Records  uint64          `json:"records"` // decoded by it
	Told     string          `json:"told"`    // when it was last sent
	Age      int64           `json:"age_seconds"`
	Fields   []TemplateField `json:"fields"`
}

// TemplateField is a field of a template.
type TemplateField struct {
	Name       string `json:"name,omitempty"` // none for elements that are not known
	ID         uint16 `json:"id"`
	Enterprise uint32 `json:"enterprise,omitempty"` // none for IANA's
	Length     int    `json:"length"`               // octets, -1: it stands in the record
	Scope      bool   `json:"scope,omitempty"`
}

// Templates is /devices/{device}/templates.
type Templates struct {
	Device    string     `json:"device"`
	Templates []Template `json:"templates"`
	Next
}

// foundTemplate is a template, which may be kept, with its place and what belongs to the owner.
type foundTemplate struct {
	Stream  correlate.Stream `json:"s"`
	Domain  uint32           `json:"d"`
	Version uint16           `json:"v"`
	ID      uint16           `json:"i"`

	*ipfix.Template `json:"-"`
	seen            int64
	records         uint64
}

func (f foundTemplate) compare(o foundTemplate) int {
	return cmp.Or(compareStreams(f.Stream, o.Stream), cmp.Compare(f.Domain, o.Domain), cmp.Compare(f.Version, o.Version), cmp.Compare(f.ID, o.ID))
}

// fieldBytes is what a field takes on a page, roughly.
const fieldBytes = 100

func templatesPage(rq *request) (answer, error) {
	after, err := afterKey[foundTemplate](rq)
	if err != nil {
		return nil, err
	}
	domain, any, err := rq.domain()
	if err != nil {
		return nil, err
	}
	var all []foundTemplate
	if err := each(rq, templatesOf, func(f foundTemplate) {
		if any || f.Domain == domain {
			f.seen, f.records = f.Seen(), f.Records()
			all = append(all, f)
		}
	}); err != nil {
		return nil, err
	}
	part, more := pageOf(all, foundTemplate.compare, after, rq.limit)
	out := &Templates{Device: rq.device.String(), Templates: []Template{}}
	size := 0
	for i := range part {
		if size += fieldBytes * (1 + len(part[i].Fields)); size > maxPageBytes && i > 0 {
			part, more = part[:i], true
			break
		}
		out.Templates = append(out.Templates, rq.describeTemplate(&part[i]))
	}
	out.Next, err = nextAfter(rq, part, more)
	return out, err
}

func templatesOf(d *correlate.Device) iter.Seq[foundTemplate] {
	return func(yield func(foundTemplate) bool) {
		for s, t := range d.Templates() {
			if !yield(foundTemplate{Stream: s, Domain: t.Domain, Version: t.Version, ID: t.ID, Template: t}) {
				return
			}
		}
	}
}

func (rq *request) describeTemplate(f *foundTemplate) Template {
	t := Template{
		Session: streamName(f.Stream), Protocol: protocolName(f.Version), Domain: f.Domain, ID: f.ID,
		Kind: "data", Records: f.records, Told: when(f.seen), Age: rq.age(f.seen), Fields: make([]TemplateField, len(f.Fields)),
	}
	if f.Options {
		t.Kind = "options"
	}
	for i := range f.Fields {
		e := &f.Fields[i]
		t.Fields[i] = TemplateField{Name: e.Name, ID: e.ID, Enterprise: e.PEN, Length: int(e.Len), Scope: e.Scope}
		if e.Variable() {
			t.Fields[i].Length = -1
		}
	}
	return t
}

func (x *Templates) text(w io.Writer) {
	fmt.Fprintln(w, "SESSION\tPROTOCOL\tDOMAIN\tID\tKIND\tRECORDS\tAGE\tFIELDS")
	for i := range x.Templates {
		t := &x.Templates[i]
		fields := make([]string, len(t.Fields))
		for j := range t.Fields {
			fields[j] = t.Fields[j].String()
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%d\t%s\t%s\n", t.Session, t.Protocol, t.Domain, t.ID, t.Kind, t.Records, ageText(t.Age),
			strings.Join(fields, " "))
	}
}

// String gives the field by its name, or else its number, with its length: "octetDeltaCount/8", "9.12/n" of an enterprise 9, and a
// scope in brackets.
func (f TemplateField) String() string {
	name, length := plain(f.Name), "n"
	if name == "" {
		name = strconv.Itoa(int(f.ID))
		if f.Enterprise != 0 {
			name = strconv.FormatUint(uint64(f.Enterprise), 10) + "." + name
		}
	}
	if f.Length >= 0 {
		length = strconv.Itoa(f.Length)
	}
	if f.Scope {
		return "[" + name + "/" + length + "]"
	}
	return name + "/" + length
}
