package record

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documented reads the fields of a topic from SCHEMA.md, with their type.
func documented(t *testing.T, topic string) map[string]string {
	t.Helper()
	b, err := os.ReadFile("SCHEMA.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(b), "\n## Topic `"+topic+"`")
	if !found {
		t.Fatalf("SCHEMA.md has no topic %s", topic)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	fields := make(map[string]string)
	for _, row := range strings.Split(section, "\n") {
		cells := strings.Split(row, "|")
		if len(cells) != 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		for _, m := range fieldName.FindAllStringSubmatch(cells[1], -1) {
			if _, twice := fields[m[1]]; twice {
				t.Errorf("%s: %s is in two rows", topic, m[1])
			}
			fields[m[1]] = strings.TrimSpace(cells[2])
		}
	}
	return fields
}

var fieldName = regexp.MustCompile("`([a-z0-9_]+)`")

// TestFlowSchemaIsDocumented holds that SCHEMA.md and the schema of the flow record name the same fields with the same types.
// TestSchemaFields holds that the encoder writes those.
func TestFlowSchemaIsDocumented(t *testing.T) {
	doc := documented(t, "telcol.flow")
	for kind, names := range schema1 {
		for _, name := range names {
			if doc[name] != kind {
				t.Errorf("%s is %q in SCHEMA.md, want %q", name, doc[name], kind)
			}
			delete(doc, name)
		}
	}
	for name := range doc {
		t.Errorf("%s is in SCHEMA.md and not in the schema", name)
	}
}

// TestEventSchemaIsDocumented holds that the events have the documented fields, with their types, and no others.
func TestEventSchemaIsDocumented(t *testing.T) {
	doc := documented(t, "telcol.bmp")
	missing := make(map[string]bool)
	for name := range doc {
		missing[name] = true
	}
	e := newEventEncoder()
	for _, ev := range everyEvent() {
		for name, v := range decode(t, ev.write(e, nil)) {
			kind, ok := doc[name]
			if !ok {
				t.Errorf("%s: %s is not in SCHEMA.md", ev.name, name)
			} else if !isEventKind(kind, v) {
				t.Errorf("%s: %s is %v, want a %s", ev.name, name, v, kind)
			}
			delete(missing, name)
		}
	}
	for name := range missing {
		t.Errorf("%s is in SCHEMA.md and in no event", name)
	}
}

func isEventKind(kind string, v any) bool {
	switch kind {
	case "true":
		return v == true
	case "objects":
		list, ok := v.([]any)
		return ok && len(list) > 0 && !slices.ContainsFunc(list, func(o any) bool { _, is := o.(map[string]any); return !is })
	case "numbers":
		list, ok := v.([]any) // a path may be empty
		return ok && !slices.ContainsFunc(list, func(n any) bool { _, is := n.(json.Number); return !is })
	case "texts":
		list, ok := v.([]any)
		return ok && len(list) > 0 && !slices.ContainsFunc(list, func(s any) bool { _, is := s.(string); return !is })
	}
	return isKind(kind, v)
}

// TestEventValuesAreDocumented holds that every value of the field "event" is in SCHEMA.md.
func TestEventValuesAreDocumented(t *testing.T) {
	b, err := os.ReadFile("SCHEMA.md")
	if err != nil {
		t.Fatal(err)
	}
	i := strings.Index(string(b), "| `event` |")
	row, _, _ := strings.Cut(string(b[i:]), "\n")
	var have []string
	for _, m := range fieldName.FindAllStringSubmatch(row, -1) {
		have = append(have, m[1])
	}
	e, want := newEventEncoder(), []string{"event"}
	for _, ev := range everyEvent() {
		if name := decode(t, ev.write(e, nil))["event"].(string); !slices.Contains(want, name) {
			want = append(want, name)
		}
	}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("SCHEMA.md has\n%q, written are\n%q", have, want)
	}
}
