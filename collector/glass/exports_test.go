package glass

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/ipfix"
)

// TestExportsWhileTheyChange pages over many templates, option entries and domains while others come and go: what is there all the time is
// given exactly once, and no slice of the owner's work exceeds its bound.
func TestExportsWhileTheyChange(t *testing.T) {
	x := newWorld(t)
	src, now := netip.MustParseAddr("192.0.2.1"), int64(1_800_000_000e9)
	give := func(domain uint32, fill func(b *ipfix.Builder)) {
		var b ipfix.Builder
		b.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, Domain: domain, ExportTime: now})
		fill(&b)
		msg, err := b.Finish()
		if err == nil {
			err = x.corr.StreamMessage(src, correlate.Stream{}, msg, now)
		}
		if err != nil {
			t.Error(err)
		}
	}
	vrfs := func(domain uint32, from, n int) {
		give(domain, func(b *ipfix.Builder) {
			b.OptionsTemplate(256, ipfix.Field{ID: 234, Len: 4, Scope: true}, ipfix.Field{ID: 236, Len: 8})
			b.Set(256)
			for i := range n {
				b.Uint(uint64(from+i), 4)
				b.Text("vrf", 8)
			}
		})
	}
	template := func(domain uint32, id uint16) {
		give(domain, func(b *ipfix.Builder) { b.Template(id, ipfix.Field{ID: 1, Len: 8}) })
	}
	const domains, perDomain = 20, 50
	for d := range uint32(domains) {
		vrfs(d, 0, perDomain)
		for id := range uint16(perDomain) {
			template(d, 300+id)
		}
	}
	changes := 0
	x.between = func() {
		changes++
		vrfs(uint32(changes%domains), 1000+changes, 1)
		template(uint32(changes%domains), uint16(400+changes))
		give(uint32(changes%domains), func(b *ipfix.Builder) { b.Withdraw(uint16(400+changes/2), false) })
		give(1000+uint32(changes), func(*ipfix.Builder) {})
	}
	once := func(what string, seen map[string]int, want int) {
		t.Helper()
		for k, n := range seen {
			if n != 1 {
				t.Errorf("%s: %s comes %d times", what, k, n)
			}
		}
		if len(seen) != want {
			t.Errorf("%s: %d, want %d", what, len(seen), want)
		}
	}
	seen := map[string]int{}
	follow(t, x, "/devices/192.0.2.1/options?limit=73&table=ingress-vrf", func(v *Options) {
		for _, o := range v.Options {
			if *o.ID < perDomain {
				seen[fmt.Sprint(o.Domain, *o.ID)]++
			}
		}
	})
	once("options", seen, domains*perDomain)
	seen = map[string]int{}
	follow(t, x, "/devices/192.0.2.1/templates?limit=73", func(v *Templates) {
		for _, f := range v.Templates {
			if f.ID >= 300 && f.ID < 300+perDomain {
				seen[fmt.Sprint(f.Domain, f.ID)]++
			}
		}
	})
	once("templates", seen, domains*perDomain)
	seen = map[string]int{}
	follow(t, x, "/devices/192.0.2.1/sequences?limit=7", func(v *Sequences) {
		for _, s := range v.Sequences {
			if s.Domain < domains {
				seen[fmt.Sprint(s.Domain)]++
			}
		}
	})
	once("domains", seen, domains)
	if n := x.Counters(); n.Longest > sliceSteps+lineSteps {
		t.Errorf("a slice of %d steps", n.Longest)
	}
}

// TestTemplatePagesAreBounded holds that the fields bound a page, whatever limit says.
func TestTemplatePagesAreBounded(t *testing.T) {
	x := newWorld(t)
	fields := make([]ipfix.Field, 500)
	for i := range fields {
		fields[i] = ipfix.Field{ID: 1, Len: 8}
	}
	for id := range uint16(120) {
		var b ipfix.Builder
		b.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: 1})
		b.Template(256+id, fields...)
		msg, err := b.Finish()
		if err == nil {
			err = x.corr.StreamMessage(netip.MustParseAddr("192.0.2.1"), correlate.Stream{}, msg, 1)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	all := 0
	if pages := follow(t, x, "/devices/192.0.2.1/templates", func(v *Templates) { all += len(v.Templates) }); pages != 2 || all != 120 {
		t.Errorf("%d templates on %d pages", all, pages)
	}
}
