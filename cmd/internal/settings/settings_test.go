package settings

import (
	"bytes"
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/telcol/telcol/collector"
)

// load loads with text as the file telcol.yaml, unless text is "".
func load(text string, environ []string, flags map[string]string) (*Settings, error) {
	src := Sources{Environ: environ, Flags: flags, ReadFile: func(string) ([]byte, error) { return []byte(text), nil }}
	if text != "" {
		src.File = "telcol.yaml"
	}
	return Load(src)
}

func TestEveryKeyIsDescribed(t *testing.T) {
	described := descriptions()
	for _, k := range Keys() {
		if k.Help == "" || k.Arg == "" {
			t.Errorf("%s has no help", k.Path)
		}
		delete(described, k.Path)
	}
	for path := range described {
		t.Errorf("help for %s, which is no key", path)
	}
}

func TestNamesFollowFromThePath(t *testing.T) {
	k := find(Keys(), func(k *Key) bool { return k.Path == "kafka.topic-flow" })
	if k == nil {
		t.Fatal("no key kafka.topic-flow")
	}
	if k.Flag != "kafka-topic-flow" || k.Env != "TELCOL_KAFKA_TOPIC_FLOW" || k.Default != "telcol.flow" {
		t.Errorf("got %+v", *k)
	}
}

func TestDefaults(t *testing.T) {
	s, err := load("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := collector.Default(); !reflect.DeepEqual(s.Config, want) {
		t.Errorf("got %+v, want %+v", s.Config, want)
	}
}

func TestPrecedence(t *testing.T) {
	const file = "group: file\nslots: 4\nlisten-bmp: 127.0.0.1:1\n"
	env := []string{"TELCOL_GROUP=env", "TELCOL_SLOTS=5", "PATH=/bin"}
	s, err := load(file, env, map[string]string{"group": "flag"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, got, want, origin string }{
		{"group", s.Config.Group, "flag", "--group"},
		{"listen-bmp", s.Config.ListenBMP, "127.0.0.1:1", "telcol.yaml:3"},
		{"sink", s.Config.Sink, "kafka", "default"},
	} {
		if c.got != c.want || s.Origin(c.path) != c.origin {
			t.Errorf("%s: got %q from %s, want %q from %s", c.path, c.got, s.Origin(c.path), c.want, c.origin)
		}
	}
	if s.Config.Slots != 5 || s.Origin("slots") != "TELCOL_SLOTS" {
		t.Errorf("slots: got %d from %s", s.Config.Slots, s.Origin("slots"))
	}
}

func TestSourcesSpeakTheSameText(t *testing.T) {
	want := collector.Default()
	want.Steering = false
	want.Kafka.Brokers = []string{"a:1", "b:2"}
	want.Kafka.BufferBytes = 64 << 20
	want.Kafka.CreateTopics = false
	want.Kafka.Linger = 5 * time.Millisecond
	want.Slot = 3
	for _, c := range []struct {
		name  string
		file  string
		env   []string
		flags map[string]string
	}{
		{
			name: "file",
			file: "steering: off\nslot: 3\nkafka:\n  brokers: [a:1, b:2]\n  buffer-bytes: 64MiB\n  create-topics: no\n  linger: 5ms\n",
		},
		{name: "file, list as text", file: "steering: false\nslot: '3'\nkafka: {brokers: 'a:1, b:2', buffer-bytes: 65536KiB, create-topics: off, linger: 5ms}\n"},
		{name: "file, anchors", file: "steering: &no off\nslot: 3\nkafka: {brokers: [a:1, b:2], buffer-bytes: 67108864, create-topics: *no, linger: 5ms}\nbmp:\n"},
		{
			name: "environment",
			env: []string{
				"TELCOL_STEERING=off", "TELCOL_SLOT=3", "TELCOL_KAFKA_BROKERS=a:1,b:2", "TELCOL_KAFKA_BUFFER_BYTES=64MiB",
				"TELCOL_KAFKA_CREATE_TOPICS=false", "TELCOL_KAFKA_LINGER=5ms", "TELCOL_GROUP=",
			},
		},
		{name: "flags", flags: map[string]string{
			"steering": "OFF", "slot": "3", "kafka-brokers": "a:1, b:2", "kafka-buffer-bytes": "64 MiB", "kafka-create-topics": "no", "kafka-linger": "5000us",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := load(c.file, c.env, c.flags)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(s.Config, want) {
				t.Errorf("got  %+v\nwant %+v", s.Config, want)
			}
		})
	}
}

func TestListOfAddresses(t *testing.T) {
	const want = "[::]:4739,[::]:2055"
	for name, src := range map[string]Sources{
		"list":     {File: "x", ReadFile: func(string) ([]byte, error) { return []byte("listen-ipfix: ['[::]:4739', '[::]:2055']"), nil }},
		"text":     {File: "x", ReadFile: func(string) ([]byte, error) { return []byte("listen-ipfix: '[::]:4739,[::]:2055'"), nil }},
		"variable": {Environ: []string{"TELCOL_LISTEN_IPFIX=" + want}},
	} {
		s, err := Load(src)
		if err != nil || s.Config.ListenIPFIX != want {
			t.Errorf("%s: got %+v, %v", name, s, err)
			continue
		}
		var b strings.Builder
		if err := s.WriteYAML(&b); err != nil || !strings.Contains(b.String(), `listen-ipfix: ['[::]:4739', '[::]:2055']`) {
			t.Errorf("%s: written as %s, %v", name, &b, err)
		}
	}
}

func TestErrorsNameTheKey(t *testing.T) {
	for _, c := range []struct {
		name  string
		file  string
		env   []string
		flags map[string]string
		want  string
	}{
		{name: "unknown key", file: "slot: 1\ngruop: x\n", want: "telcol.yaml:2: unknown key gruop, did you mean group?"},
		{name: "unknown nested key", file: "kafka:\n  broker: x\n", want: "telcol.yaml:2: unknown key kafka.broker, did you mean kafka.brokers?"},
		{name: "nothing alike", file: "elephants: 7\n", want: "telcol.yaml:1: unknown key elephants"},
		{name: "key twice", file: "slot: 1\nslot: 2\n", want: "telcol.yaml:2: key slot was given already in line 1"},
		{name: "list for one value", file: "slot: [1]\n", want: "telcol.yaml:1: slot takes one value"},
		{name: "mapping for a list", file: "kafka: {brokers: {a: 1}}\n", want: "telcol.yaml:1: kafka.brokers takes a list, like [a, b]"},
		{name: "value for a group", file: "kafka: localhost\n", want: "telcol.yaml:1: kafka holds keys with values, like slot: 3"},
		{name: "not a mapping", file: "- slot\n", want: "telcol.yaml:1: the file holds keys with values, like slot: 3"},
		{name: "two documents", file: "slot: 1\n---\nslot: 2\n", want: "telcol.yaml:3: a second document begins here (---), settings are in one"},
		{name: "broken second document", file: "slot: 1\n---\nslot: [1\n", want: "telcol.yaml: line 2: did not find expected ',' or ']'"},
		{name: "number", file: "slot: three\n", want: `telcol.yaml:1: slot: "three" is not a whole number`},
		{name: "broken", file: "slot: [1\n", want: "telcol.yaml: line 1: did not find expected ',' or ']'"},
		{name: "unknown variable", env: []string{"TELCOL_KAFKA_BROKER=x"}, want: "TELCOL_KAFKA_BROKER: unknown variable, did you mean TELCOL_KAFKA_BROKERS?"},
		{name: "variable with nothing alike", env: []string{"TELCOL_ELEPHANTS=7"}, want: "TELCOL_ELEPHANTS: unknown variable"},
		{name: "variable", env: []string{"TELCOL_SLOT=x"}, want: `TELCOL_SLOT: "x" is not a whole number`},
		{name: "switch", flags: map[string]string{"steering": "maybe"}, want: `--steering: "maybe" is neither on nor off`},
		{name: "size", flags: map[string]string{"kafka-buffer-bytes": "64MB"}, want: `--kafka-buffer-bytes: "64MB" is not a size, write it like 65536, 512KiB, 64MiB or 2GiB`},
		{name: "size out of range", flags: map[string]string{"bmp-max-message": "9223372036854775807GiB"}, want: "--bmp-max-message: 9223372036854775807GiB is out of range"},
		{name: "duration", flags: map[string]string{"drain-timeout": "8"}, want: `--drain-timeout: "8" is not a duration, write it like 500ms, 10s or 5m`},
		{name: "range", flags: map[string]string{"kafka-replication": "70000"}, want: "--kafka-replication: 70000 is out of range"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(c.file, c.env, c.flags)
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if !errors.Is(err, collector.ErrConfig) {
				t.Error("is not a configuration error")
			}
		})
	}
}

func TestVariablesOfTheTestRigAreLeftAlone(t *testing.T) {
	env := []string{"TELCOL_TEST_KAFKA=x", "TELCOL_REQUIRE_BPF=1", "TELCOL_ORACLE=/x"}
	if _, err := load("", env, nil); err != nil {
		t.Error(err)
	}
}

func TestFileOfTheEnvironment(t *testing.T) {
	read := func(name string) ([]byte, error) {
		if name != "/etc/x.yaml" {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return []byte("slot: 2"), nil
	}
	s, err := Load(Sources{Environ: []string{"TELCOL_CONFIG=/etc/x.yaml"}, ReadFile: read})
	if err != nil || s.Config.Slot != 2 {
		t.Errorf("got %v, %v", s, err)
	}
	_, err = Load(Sources{File: "/y", Environ: []string{"TELCOL_CONFIG=/etc/x.yaml"}, ReadFile: read})
	if err == nil || err.Error() != "settings file /y: file does not exist" {
		t.Errorf("the flag does not win: %v", err)
	}
}

func TestWriteYAMLIsReadBack(t *testing.T) {
	s, err := load("kafka:\n  brokers: [a:1, b:2]\n", []string{"TELCOL_STEERING=off"}, map[string]string{"slot": "3", "kafka-linger": "90s", "group": "on"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := s.WriteYAML(&out); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"slot: 3 # --slot", "steering: false # TELCOL_STEERING", "  brokers: ['a:1', 'b:2'] # telcol.yaml:2", "  buffer-bytes: 256MiB # default",
		"  linger: 1m30s # --kafka-linger", "group: on # --group", "  stale-timeout: 10m # default",
	} {
		if !slices.Contains(strings.Split(out.String(), "\n"), line) {
			t.Errorf("no line %q", line)
		}
	}
	again, err := load(out.String(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again.Config, s.Config) {
		t.Errorf("got  %+v\nwant %+v", again.Config, s.Config)
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

func TestClosest(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"slto", "slot"}, {"slots", "slots"}, {"SLOT", "slot"}, {"htpt", "http"}, {"x", ""}, {"", ""}, {"completely-else", ""},
	} {
		if got := Closest(c.name, []string{"slot", "slots", "http"}); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// FuzzFile holds that a file gives settings or a configuration error, whatever is in it.
func FuzzFile(f *testing.F) {
	f.Add("slot: 1\nkafka: {brokers: [a]}\n")
	f.Add("a: &x [*x]\n")
	f.Add("slot: &x {y: *x}\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := load(text, nil, nil)
		if (s == nil) == (err == nil) {
			t.Fatalf("got %v and %v", s, err)
		}
		if err != nil && !errors.Is(err, collector.ErrConfig) {
			t.Fatalf("not a configuration error: %v", err)
		}
	})
}

func TestElements(t *testing.T) {
	want := []collector.Element{
		{Name: "tenantProtocol", PEN: 6876, ID: 888, Type: "unsigned8"}, {Name: "pathDelay", ID: 530, Type: "unsigned32"},
	}
	const text = "6876.888:tenantProtocol:unsigned8,0.530:pathDelay:unsigned32"
	for _, c := range []struct {
		name  string
		file  string
		env   []string
		flags map[string]string
	}{
		{name: "flag", flags: map[string]string{"ipfix-elements": text}},
		{name: "environment", env: []string{"TELCOL_IPFIX_ELEMENTS=" + text}},
		{name: "file, as text", file: "ipfix: {elements: '" + text + "'}\n"},
		{name: "file, both forms", file: "ipfix:\n  elements:\n    - {pen: 6876, id: 888, name: tenantProtocol, type: unsigned8}\n    - 0.530:pathDelay:unsigned32\n"},
		{name: "file, of IANA", file: "ipfix:\n  elements:\n    - 6876.888:tenantProtocol:unsigned8\n    - {id: 530, name: pathDelay, type: unsigned32}\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := load(c.file, c.env, c.flags)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(s.Config.IPFIX.Elements, want) {
				t.Errorf("got %v", s.Config.IPFIX.Elements)
			}
			var out bytes.Buffer
			if err := s.WriteYAML(&out); err != nil {
				t.Fatal(err)
			}
			again, err := load(out.String(), nil, nil)
			if err != nil || !slices.Equal(again.Config.IPFIX.Elements, want) {
				t.Errorf("written and read again: %v", err)
			}
		})
	}
	for _, item := range []string{"{pen: 6876, number: 888}", "{pen: 6876, id: 888, name: 'a:b', type: string}", "{pen: 6876, id: none, name: a, type: string}", "[1]"} {
		if _, err := load("ipfix:\n  elements: ["+item+"]\n", nil, nil); !errors.Is(err, collector.ErrConfig) || !strings.Contains(err.Error(), ":2: ") {
			t.Errorf("%s: got %v, want an error with its line", item, err)
		}
	}
}
