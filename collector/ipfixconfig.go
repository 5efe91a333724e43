package collector

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/telcol/telcol/ipfix"
)

// What RecordConfig.Extra takes.
const (
	ExtraOff = "off"
	ExtraAll = "all"
)

// RecordConfig says what stands in a record.
type RecordConfig struct {
	Extra string `yaml:"extra"` // elements without a field of their own: off (default) or all
}

// IPFIXConfig says how flow records are taken, and bounds what one device can make a worker keep.
type IPFIXConfig struct {
	// VRFWait is how long a flow waits for options data that say what its VRF id means, default 5s; 0 is not at all. Without
	// them it is joined as unknown-vrf.
	VRFWait time.Duration `yaml:"vrf-wait"`
	// Elements are names and types of elements that the IANA registry does not have; default none.
	Elements []Element `yaml:"elements"`
	// Renormalize multiplies bytes and packets by the sampling rate where it is known, default false.
	Renormalize bool `yaml:"renormalize"`

	// PortInTemplateKey keeps templates apart by the UDP source port, for exporters that share an address; default false, since
	// routers change their port.
	PortInTemplateKey bool `yaml:"port-in-template-key"`
	// IgnoreWithdrawals leaves templates in place that a device withdraws over UDP (RFC 7011 section 8.4), default false.
	IgnoreWithdrawals bool `yaml:"ignore-withdrawals"`
	// TemplateLifetime and OptionsLifetime are how long what is not sent again is kept, default 24h; 0 is for ever. Over TCP templates
	// live as long as their connection.
	TemplateLifetime time.Duration `yaml:"template-lifetime"`
	OptionsLifetime  time.Duration `yaml:"options-lifetime"`

	HoldBytes int           `yaml:"hold-bytes"` // data sets kept until their template comes, default 1 MiB; beyond it the oldest go; 0 keeps none
	HoldSets  int           `yaml:"hold-sets"`  // the same in number, default 2048
	HoldAge   time.Duration `yaml:"hold-age"`   // and for how long, default 5m; 0 keeps none

	MaxDomains   int `yaml:"max-domains"`   // observation domains, default 256; messages of further ones are refused
	MaxTemplates int `yaml:"max-templates"` // default 2048; further ones are refused
	MaxFields    int `yaml:"max-fields"`    // of a template, default 512; longer ones are refused
	MaxOptions   int `yaml:"max-options"`   // entries of all option tables, default 65536; further ones are refused

	TCP            bool          `yaml:"tcp"`              // IPFIX over TCP at the same address and port, default true
	TCPMaxSessions int           `yaml:"tcp-max-sessions"` // connections at once, default 1024
	TCPMaxDevice   int           `yaml:"tcp-max-device"`   // the same of one device, default 16
	TCPIdleTimeout time.Duration `yaml:"tcp-idle-timeout"` // a connection without a message for so long is closed, default 30m; 0 is never
}

func defaultIPFIX() IPFIXConfig {
	return IPFIXConfig{
		VRFWait:          5 * time.Second,
		TemplateLifetime: ipfix.DefaultTemplateAge, OptionsLifetime: ipfix.DefaultOptionsAge,
		HoldBytes: ipfix.DefaultHoldBytes, HoldSets: ipfix.DefaultHoldSets, HoldAge: ipfix.DefaultHoldAge,
		MaxDomains: ipfix.DefaultMaxDomains, MaxTemplates: ipfix.DefaultMaxTemplates,
		MaxFields: ipfix.DefaultMaxFields, MaxOptions: ipfix.DefaultMaxOptions,
		TCP: true, TCPMaxSessions: 1024, TCPMaxDevice: 16, TCPIdleTimeout: 30 * time.Minute,
	}
}

// Element is an information element of an enterprise, or one that IANA's registry got later than telcol.
type Element struct {
	Name string `yaml:"name"`
	PEN  uint32 `yaml:"pen"` // private enterprise number, 0 for IANA's registry
	ID   uint16 `yaml:"id"`
	Type string `yaml:"type"` // of RFC 7012 section 3.1, such as unsigned32
}

// String gives the element as ParseElement reads it.
func (e Element) String() string { return fmt.Sprintf("%d.%d:%s:%s", e.PEN, e.ID, e.Name, e.Type) }

// ParseElement reads an element written as enterprise number, id, name and type, like 6876.888:tenantProtocol:unsigned8.
func ParseElement(text string) (Element, error) {
	parts := strings.Split(strings.TrimSpace(text), ":")
	if len(parts) != 3 {
		return Element{}, fmt.Errorf("%q is not an element, write it pen.id:name:type", text)
	}
	pen, id, ok := strings.Cut(parts[0], ".")
	p, err := strconv.ParseUint(pen, 10, 32)
	n, err2 := strconv.ParseUint(id, 10, 16)
	if err = errors.Join(err, err2); err != nil || !ok {
		return Element{}, fmt.Errorf("%q: %q is not an enterprise number, a dot and an id", text, parts[0])
	}
	return Element{Name: strings.TrimSpace(parts[1]), PEN: uint32(p), ID: uint16(n), Type: strings.TrimSpace(parts[2])}, nil
}

// elements gives the configured elements as the decoder takes them.
func (c *IPFIXConfig) elements() ([]ipfix.Element, error) {
	all := make([]ipfix.Element, len(c.Elements))
	for i, e := range c.Elements {
		typ, err := ipfix.ParseType(e.Type)
		if err != nil {
			return nil, fmt.Errorf("element %s: %w", e, err)
		}
		all[i] = ipfix.Element{ID: e.ID, PEN: e.PEN, Name: e.Name, Type: typ}
	}
	return all, nil
}

// decoder gives the bounds as the decoder takes them: its zero is a default, its negative is what zero is here.
func (c *IPFIXConfig) decoder() ipfix.Config {
	count := func(n int) int {
		if n == 0 {
			return -1
		}
		return n
	}
	age := func(d time.Duration) time.Duration {
		if d == 0 {
			return -1
		}
		return d
	}
	d := ipfix.Config{
		MaxDomains: c.MaxDomains, MaxTemplates: c.MaxTemplates, MaxFields: c.MaxFields, MaxOptions: c.MaxOptions,
		HoldBytes: count(c.HoldBytes), HoldSets: count(c.HoldSets), HoldAge: c.HoldAge,
		TemplateAge: age(c.TemplateLifetime), OptionsAge: age(c.OptionsLifetime),
		IgnoreWithdrawals: c.IgnoreWithdrawals,
	}
	// Full templates are few: an allowance of 32 fields each, and of at least the default, is what the fields may take in all.
	d.MaxTotalFields = max(ipfix.DefaultMaxTotalFields, 32*c.MaxTemplates)
	if c.HoldAge == 0 {
		d.HoldSets = -1
	}
	return d
}

// validate reports the first value that cannot work.
func (c *IPFIXConfig) validate() error {
	for _, n := range [...]struct {
		name         string
		n, low, high int
	}{
		{"max-domains", c.MaxDomains, 1, 1 << 20},
		{"max-templates", c.MaxTemplates, 1, 1 << 20},
		{"max-fields", c.MaxFields, 1, 1 << 16},
		{"max-options", c.MaxOptions, 1, 1 << 26},
		{"hold-bytes", c.HoldBytes, 0, 1 << 40},
		{"hold-sets", c.HoldSets, 0, 1 << 26},
		{"tcp-max-sessions", c.TCPMaxSessions, 1, 1 << 20},
		{"tcp-max-device", c.TCPMaxDevice, 1, 1 << 20},
	} {
		if n.n < n.low || n.n > n.high {
			return fmt.Errorf("%w: ipfix.%s %d is out of range, want %d to %d", ErrConfig, n.name, n.n, n.low, n.high)
		}
	}
	for _, d := range [...]struct {
		name string
		d    time.Duration
	}{
		{"vrf-wait", c.VRFWait},
		{"template-lifetime", c.TemplateLifetime},
		{"options-lifetime", c.OptionsLifetime},
		{"hold-age", c.HoldAge},
		{"tcp-idle-timeout", c.TCPIdleTimeout},
	} {
		if d.d < 0 {
			return fmt.Errorf("%w: ipfix.%s %v must not be negative", ErrConfig, d.name, d.d)
		}
	}
	_, err := c.Model()
	return err
}

// Model gives the information model with the configured elements. Its errors wrap [ErrConfig].
func (c *IPFIXConfig) Model() (*ipfix.Model, error) {
	all, err := c.elements()
	if err == nil {
		var m *ipfix.Model
		if m, err = ipfix.NewModel(all...); err == nil {
			return m, nil
		}
	}
	return nil, fmt.Errorf("%w: ipfix.elements: %w", ErrConfig, err)
}
