package glass

import (
	"cmp"
	"encoding/json"
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

// templateKey is where a template has its place.
type templateKey struct {
	Stream  correlate.Stream `json:"s"`
	Domain  uint32           `json:"d"`
	Version uint16           `json:"v"`
	ID      uint16           `json:"i"`
}

func (k templateKey) compare(o templateKey) int {
	return cmp.Or(compareStreams(k.Stream, o.Stream), cmp.Compare(k.Domain, o.Domain), cmp.Compare(k.Version, o.Version), cmp.Compare(k.ID, o.ID))
}

// foundTemplate is a template, which may be kept, with what belongs to the owner.
type foundTemplate struct {
	templateKey
	*ipfix.Template
	seen    int64
	records uint64
}

// fieldBytes is what a field takes on a page, roughly.
const fieldBytes = 100

func templatesPage(rq *request) (answer, error) {
	var after *foundTemplate
	if rq.cursor.Last != "" {
		after = new(foundTemplate)
		if json.Unmarshal([]byte(rq.cursor.Last), &after.templateKey) != nil {
			return nil, badf("the cursor is damaged")
		}
	}
	domain, any, err := rq.domain()
	if err != nil {
		return nil, err
	}
	var all []foundTemplate
	if err := each(rq, templatesOf, func(f foundTemplate) {
		if any || f.templateKey.Domain == domain {
			f.seen, f.records = f.Seen(), f.Records()
			all = append(all, f)
		}
	}); err != nil {
		return nil, err
	}
	part, more := pageOf(all, func(a, b foundTemplate) int { return a.compare(b.templateKey) }, after, rq.limit)
	out := &Templates{Device: rq.device.String(), Templates: []Template{}}
	size := 0
	for i := range part {
		if size += fieldBytes * (1 + len(part[i].Fields)); size > maxPageBytes && i > 0 {
			part, more = part[:i], true
			break
		}
		out.Templates = append(out.Templates, rq.describeTemplate(&part[i]))
	}
	if more {
		last, err := json.Marshal(part[len(part)-1].templateKey)
		if err != nil {
			return nil, err
		}
		out.Next.Next = rq.cursorAt(0, string(last))
	}
	return out, nil
}

func templatesOf(d *correlate.Device) iter.Seq[foundTemplate] {
	return func(yield func(foundTemplate) bool) {
		for s, t := range d.Templates() {
			if !yield(foundTemplate{templateKey: templateKey{s, t.Domain, t.Version, t.ID}, Template: t}) {
				return
			}
		}
	}
}

func (rq *request) describeTemplate(f *foundTemplate) Template {
	t := Template{
		Session: streamName(f.Stream), Protocol: protocolName(f.templateKey.Version), Domain: f.templateKey.Domain, ID: f.templateKey.ID,
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
