package settings

import (
	"reflect"
	"testing"

	"github.com/telcol/telcol/collector"
)

// TestExampleNamesEveryDefault holds the example that operators begin with: all keys, each with its default.
func TestExampleNamesEveryDefault(t *testing.T) {
	s, err := Load(Sources{File: "../../../deploy/examples/telcol.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if want := collector.Default(); !reflect.DeepEqual(s.Config, want) {
		t.Errorf("the example says\n%+v\nthe defaults are\n%+v", s.Config, want)
	}
	for _, k := range Keys() {
		if s.Origin(k.Path) == "default" {
			t.Errorf("key %s is not in the example", k.Path)
		}
	}
	s.Config.Slot = 0
	if err := s.Config.Validate(); err != nil {
		t.Error(err)
	}
}
