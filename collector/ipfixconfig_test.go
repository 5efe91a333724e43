package collector

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/telcol/telcol/ipfix"
)

func TestIPFIXConfigIsChecked(t *testing.T) {
	for _, tc := range []struct {
		want   string
		change func(*IPFIXConfig)
	}{
		{"ipfix.max-domains", func(c *IPFIXConfig) { c.MaxDomains = 0 }},
		{"ipfix.max-templates", func(c *IPFIXConfig) { c.MaxTemplates = -1 }},
		{"ipfix.max-fields", func(c *IPFIXConfig) { c.MaxFields = 1 << 17 }},
		{"ipfix.max-options", func(c *IPFIXConfig) { c.MaxOptions = 0 }},
		{"ipfix.hold-bytes", func(c *IPFIXConfig) { c.HoldBytes = -1 }},
		{"ipfix.hold-sets", func(c *IPFIXConfig) { c.HoldSets = -1 }},
		{"ipfix.hold-age", func(c *IPFIXConfig) { c.HoldAge = -1 }},
		{"ipfix.template-lifetime", func(c *IPFIXConfig) { c.TemplateLifetime = -1 }},
		{"ipfix.options-lifetime", func(c *IPFIXConfig) { c.OptionsLifetime = -1 }},
		{"ipfix.vrf-wait", func(c *IPFIXConfig) { c.VRFWait = -1 }},
		{"ipfix.tcp-max-sessions", func(c *IPFIXConfig) { c.TCPMaxSessions = 0 }},
		{"ipfix.tcp-max-device", func(c *IPFIXConfig) { c.TCPMaxDevice = 0 }},
		{"ipfix.tcp-idle-timeout", func(c *IPFIXConfig) { c.TCPIdleTimeout = -1 }},
		{"unsigned128", func(c *IPFIXConfig) { c.Elements = []Element{{Name: "a", PEN: 1, ID: 1, Type: "unsigned128"}} }},
		{"id 0", func(c *IPFIXConfig) { c.Elements = []Element{{Name: "a", PEN: 1, Type: "string"}} }},
		{"is already a", func(c *IPFIXConfig) {
			c.Elements = []Element{{Name: "a", PEN: 1, ID: 1, Type: "string"}, {Name: "b", PEN: 1, ID: 1, Type: "string"}}
		}},
	} {
		cfg := Default()
		cfg.Slot = 0
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		tc.change(&cfg.IPFIX)
		if err := cfg.Validate(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want an error about %s", err, tc.want)
		}
	}
	cfg := Default()
	cfg.Slot, cfg.Record.Extra = 0, "some"
	if err := cfg.Validate(); !errors.Is(err, ErrConfig) {
		t.Errorf("record.extra: got %v", err)
	}
}

// TestIPFIXDefaults holds that what the settings say by default is what the decoder does by default, and what zero means.
func TestIPFIXDefaults(t *testing.T) {
	cfg := defaultIPFIX()
	got := cfg.decoder()
	want := ipfix.Config{
		MaxDomains: ipfix.DefaultMaxDomains, MaxTemplates: ipfix.DefaultMaxTemplates, MaxFields: ipfix.DefaultMaxFields,
		MaxTotalFields: ipfix.DefaultMaxTotalFields, MaxOptions: ipfix.DefaultMaxOptions,
		HoldBytes: ipfix.DefaultHoldBytes, HoldSets: ipfix.DefaultHoldSets, HoldAge: ipfix.DefaultHoldAge,
		TemplateAge: ipfix.DefaultTemplateAge, OptionsAge: ipfix.DefaultOptionsAge,
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	cfg.TemplateLifetime, cfg.OptionsLifetime, cfg.HoldAge, cfg.HoldBytes = 0, 0, 0, 0
	if got = cfg.decoder(); got.TemplateAge >= 0 || got.OptionsAge >= 0 || got.HoldSets >= 0 || got.HoldBytes >= 0 {
		t.Errorf("got %+v, want no limit of age and nothing held", got)
	}
	cfg.HoldAge, cfg.HoldSets = time.Minute, 5
	if got = cfg.decoder(); got.HoldSets != 5 || got.HoldAge != time.Minute {
		t.Errorf("got %+v", got)
	}
}

func TestParseElement(t *testing.T) {
	want := Element{Name: "tenantProtocol", PEN: 6876, ID: 888, Type: "unsigned8"}
	if got, err := ParseElement(" " + want.String() + " "); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, text := range []string{"", "1.1:a", "1:a:string", "x.1:a:string", "1.70000:a:string", "1.1:a:b:c"} {
		if e, err := ParseElement(text); err == nil {
			t.Errorf("%q: got %+v", text, e)
		}
	}
}
