package ipfix

import "time"

// Defaults of Config.
const (
	DefaultMaxDomains     = 256
	DefaultMaxTemplates   = 2048
	DefaultMaxFields      = 512
	DefaultMaxTotalFields = 65536
	DefaultMaxOptions     = 65536
	DefaultHoldBytes      = 1 << 20
	DefaultHoldSets       = 2048
	DefaultHoldAge        = 5 * time.Minute
	DefaultTemplateAge    = 24 * time.Hour
	DefaultOptionsAge     = 24 * time.Hour
)

// Config bounds what one device can make a Session and its Tables keep. The zero value of a field means its
// default, a negative one means none: no room for quotas, no limit for ages.
type Config struct {
	// MaxDomains is the number of observation domains (and source ids) of a session; default 256. Messages
	// of further domains are refused.
	MaxDomains int
	// MaxTemplates is the number of templates of a session, over all domains; default 2048. A new template
	// beyond it is refused, one that replaces another is not.
	MaxTemplates int
	// MaxFields is the number of fields of a template; default 512. A longer template is refused.
	MaxFields int
	// MaxTotalFields is the number of fields of all templates of a session, and so its memory; default 65536.
	MaxTotalFields int
	// MaxOptions is the number of entries in the option tables of a device, over all domains; default 65536.
	// A new entry beyond it is refused, known ones are still updated.
	MaxOptions int

	// HoldBytes and HoldSets bound the data sets kept until their template comes; defaults 1 MiB and 2048. At the
	// limit the oldest make room.
	HoldBytes int
	HoldSets  int
	// HoldAge is how long such a set is kept; default 5 minutes.
	HoldAge time.Duration

	// TemplateAge is how long a template lives without being sent again; default 24 hours. RFC 7011 section
	// 8.4 asks for it over UDP; over TCP, where templates are sent once, it is to be negative.
	TemplateAge time.Duration
	// OptionsAge is how long an entry of the option tables lives without being sent again; default 24 hours.
	OptionsAge time.Duration

	// IgnoreWithdrawals leaves templates in place that the device withdraws. RFC 7011 section 8.4 says so
	// for UDP, where a withdrawal may overtake data or be forged; devices that send them mean them, so the
	// default is to obey.
	IgnoreWithdrawals bool
}

// withDefaults returns c with zero fields set to their defaults and negative quotas to zero.
func (c Config) withDefaults() Config {
	count := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
		*v = max(*v, 0)
	}
	age := func(v *time.Duration, def time.Duration) {
		if *v == 0 {
			*v = def
		}
	}
	count(&c.MaxDomains, DefaultMaxDomains)
	count(&c.MaxTemplates, DefaultMaxTemplates)
	count(&c.MaxFields, DefaultMaxFields)
	count(&c.MaxTotalFields, DefaultMaxTotalFields)
	count(&c.MaxOptions, DefaultMaxOptions)
	count(&c.HoldBytes, DefaultHoldBytes)
	count(&c.HoldSets, DefaultHoldSets)
	age(&c.HoldAge, DefaultHoldAge)
	age(&c.TemplateAge, DefaultTemplateAge)
	age(&c.OptionsAge, DefaultOptionsAge)
	return c
}
