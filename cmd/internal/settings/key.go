package settings

import (
	"reflect"
	"strings"
	"time"

	"github.com/telcol/telcol/collector"
)

// EnvPrefix begins the name of every environment variable that telcol reads.
const EnvPrefix = "TELCOL_"

// Key is one setting. Its names follow from its place in [collector.Config].
type Key struct {
	Path    string // in the file, dots for nesting: kafka.brokers
	Flag    string // kafka-brokers
	Env     string // TELCOL_KAFKA_BROKERS
	Arg     string // what the help calls a value: ADDR, SIZE
	Help    string // one line for the help
	Default string // the default as text
	List    bool   // takes several values

	index []int
	kind  kind
}

// Keys gives all settings in the order of [collector.Config].
func Keys() []Key {
	def := collector.Default()
	return appendKeys(nil, reflect.ValueOf(def), "", nil)
}

func appendKeys(keys []Key, v reflect.Value, prefix string, index []int) []Key {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		at := append(index[:len(index):len(index)], i)
		if f.Type.Kind() == reflect.Struct {
			keys = appendKeys(keys, v.Field(i), prefix+name+".", at)
			continue
		}
		keys = append(keys, newKey(prefix+name, f.Type, v.Field(i), at))
	}
	return keys
}

func newKey(path string, t reflect.Type, def reflect.Value, index []int) Key {
	flag := strings.ReplaceAll(path, ".", "-")
	d := describe(path)
	k := Key{
		Path: path, Flag: flag, Env: EnvPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_")),
		Arg: d.arg, Help: d.help, index: index, kind: kindOf(t, d.arg), List: t.Kind() == reflect.Slice || d.arg == argAddrs,
	}
	if path != "slot" { // has none: -1 stands for not told
		k.Default = k.kind.format(def)
	}
	return k
}

// field is the place of the key in cfg.
func (k *Key) field(cfg *collector.Config) reflect.Value {
	return reflect.ValueOf(cfg).Elem().FieldByIndex(k.index)
}

// set parses text into cfg.
func (k *Key) set(cfg *collector.Config, text string) error {
	return k.kind.parse(k.field(cfg), text)
}

// text is the value in cfg as any of the sources would write it.
func (k *Key) text(cfg *collector.Config) string { return k.kind.format(k.field(cfg)) }

func kindOf(t reflect.Type, arg string) kind {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return kindDuration
	case arg == argSize:
		return kindSize
	case t.Kind() == reflect.Bool:
		return kindSwitch
	case t == reflect.TypeFor[[]collector.Element]():
		return kindElements
	case t.Kind() == reflect.Slice:
		return kindList
	case t.Kind() == reflect.String:
		return kindText
	}
	return kindNumber
}

func find(keys []Key, match func(*Key) bool) *Key {
	for i := range keys {
		if match(&keys[i]) {
			return &keys[i]
		}
	}
	return nil
}
