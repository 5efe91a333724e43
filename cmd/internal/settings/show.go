package settings

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// WriteYAML writes the effective settings as a file that [Load] reads back, with a comment on each line that tells where the
// value came from.
func (s *Settings) WriteYAML(w io.Writer) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for i := range s.keys {
		k := &s.keys[i]
		parent, name := root, k.Path
		if group, rest, nested := strings.Cut(k.Path, "."); nested {
			parent, name = child(root, group), rest
		}
		value := s.node(k)
		value.LineComment = "# " + s.Origin(k.Path)
		parent.Content = append(parent.Content, scalar(name), value)
	}
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	return enc.Close()
}

func (s *Settings) node(k *Key) *yaml.Node {
	text := k.text(&s.Config)
	if !k.List {
		return plain(k, text)
	}
	list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, item := range splitList(text) {
		list.Content = append(list.Content, scalar(item))
	}
	return list
}

// plain quotes only text; numbers, sizes, durations and switches are read as they stand.
func plain(k *Key, text string) *yaml.Node {
	n := scalar(text)
	if k.kind == kindSwitch {
		n.Tag, n.Value = "!!bool", strconv.FormatBool(text == "on")
	}
	if _, err := strconv.ParseInt(text, 10, 64); err == nil && (k.kind == kindNumber || k.kind == kindSize) {
		n.Tag = "!!int"
	}
	return n
}

func scalar(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
}

// child finds or adds the mapping of a group of keys.
func child(root *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == name {
			return root.Content[i+1]
		}
	}
	group := &yaml.Node{Kind: yaml.MappingNode}
	root.Content = append(root.Content, scalar(name), group)
	return group
}
