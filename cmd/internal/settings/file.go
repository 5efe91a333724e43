package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// loadFile reads the YAML file; no name, no file.
func (s *Settings) loadFile(name string, read func(string) ([]byte, error)) error {
	if name == "" {
		return nil
	}
	text, err := read(name)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return &Error{"settings file " + name, err.Error()}
	}
	var doc, more yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return &Error{name, strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	switch err := dec.Decode(&more); {
	case err == nil && len(more.Content) > 0 && !null(more.Content[0]):
		return &Error{fmt.Sprintf("%s:%d", name, more.Content[0].Line), "a second document begins here (---), settings are in one"}
	case err != nil && !errors.Is(err, io.EOF):
		return &Error{name, strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	if len(doc.Content) == 0 {
		return nil // an empty file says nothing
	}
	f := fileReader{s: s, name: name, seen: make(map[string]int)}
	return f.mapping(resolve(doc.Content[0]), "")
}

// fileReader walks the document by hand rather than into the structure, for the sake of errors that name key and line and of
// values that all sources write alike.
type fileReader struct {
	s    *Settings
	name string
	seen map[string]int // line by path
}

func (f *fileReader) fail(n *yaml.Node, format string, args ...any) error {
	return &Error{fmt.Sprintf("%s:%d", f.name, n.Line), fmt.Sprintf(format, args...)}
}

// mapping reads the keys below prefix ("" or ending in a dot).
func (f *fileReader) mapping(n *yaml.Node, prefix string) error {
	if null(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		what := "the file"
		if prefix != "" {
			what = strings.TrimSuffix(prefix, ".")
		}
		return f.fail(n, "%s holds keys with values, like slot: 3", what)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if err := f.entry(n.Content[i], resolve(n.Content[i+1]), prefix); err != nil {
			return err
		}
	}
	return nil
}

func (f *fileReader) entry(name, value *yaml.Node, prefix string) error {
	path := prefix + name.Value
	if line, dup := f.seen[path]; dup {
		return f.fail(name, "key %s was given already in line %d", path, line)
	}
	f.seen[path] = name.Line
	if group := find(f.s.keys, func(k *Key) bool { return strings.HasPrefix(k.Path, path+".") }); group != nil {
		return f.mapping(value, path+".")
	}
	k := find(f.s.keys, func(k *Key) bool { return k.Path == path })
	if k == nil {
		return f.fail(name, "unknown key %s%s", path, didYouMean(path, paths(f.s.keys)))
	}
	if null(value) {
		return nil
	}
	text, err := f.text(k, value)
	if err != nil {
		return err
	}
	if err := k.set(&f.s.Config, text); err != nil {
		return f.fail(value, "%s: %s", k.Path, err)
	}
	f.s.origin[k.Path] = fmt.Sprintf("%s:%d", f.name, value.Line)
	return nil
}

// text gives the value as the other sources would write it.
func (f *fileReader) text(k *Key, value *yaml.Node) (string, error) {
	switch {
	case value.Kind == yaml.ScalarNode:
		return value.Value, nil
	case !k.List:
		return "", f.fail(value, "%s takes one value", k.Path)
	case value.Kind != yaml.SequenceNode:
		return "", f.fail(value, "%s takes a list, like [a, b]", k.Path)
	}
	items := make([]string, len(value.Content))
	for i, item := range value.Content {
		switch item = resolve(item); {
		case item.Kind == yaml.MappingNode && k.kind == kindElements:
			text, err := f.element(k, item)
			if err != nil {
				return "", err
			}
			items[i] = text
		case item.Kind != yaml.ScalarNode:
			return "", f.fail(item, "%s takes a list of plain values", k.Path)
		default:
			items[i] = item.Value
		}
	}
	return strings.Join(items, ","), nil
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// null reports a key without a value, which says nothing: the default stays.
func null(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func paths(keys []Key) []string {
	names := make([]string, len(keys))
	for i := range keys {
		names[i] = keys[i].Path
	}
	return names
}
