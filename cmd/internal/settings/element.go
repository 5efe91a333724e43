package settings

import (
	"reflect"
	"strings"

	yaml "go.yaml.in/yaml/v3"

	"github.com/telcol/telcol/collector"
)

// parseElements sets v from elements with commas between.
func parseElements(v reflect.Value, text string) error {
	var all []collector.Element
	for _, item := range splitList(text) {
		e, err := collector.ParseElement(item)
		if err != nil {
			return err
		}
		all = append(all, e)
	}
	v.Set(reflect.ValueOf(all))
	return nil
}

// formatElements writes v as parseElements reads it.
func formatElements(v reflect.Value) string {
	all := v.Interface().([]collector.Element)
	texts := make([]string, len(all))
	for i, e := range all {
		texts[i] = e.String()
	}
	return strings.Join(texts, ",")
}

// element gives an element that the file writes as a mapping, {pen: 6876, id: 888, name: tenantProtocol, type: unsigned8}, in the form of
// the other sources. Without pen it is one of IANA's.
func (f *fileReader) element(k *Key, n *yaml.Node) (string, error) {
	parts := map[string]string{"pen": "0", "id": "", "name": "", "type": ""}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i].Value, resolve(n.Content[i+1])
		if _, ok := parts[name]; !ok || value.Kind != yaml.ScalarNode || strings.ContainsAny(value.Value, ",:.") {
			return "", f.fail(n.Content[i], "%s takes elements like {pen: 6876, id: 888, name: tenantProtocol, type: unsigned8}, not %q", k.Path, name)
		}
		parts[name] = value.Value
	}
	text := parts["pen"] + "." + parts["id"] + ":" + parts["name"] + ":" + parts["type"]
	if _, err := collector.ParseElement(text); err != nil {
		return "", f.fail(n, "%s: %s", k.Path, err)
	}
	return text, nil
}
