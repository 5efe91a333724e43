package collector

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/telcol/telcol/steering"
)

// Where a worker's records go.
const (
	SinkKafka  = "kafka"
	SinkStdout = "stdout"
)

// MaxSlots is the most slots a steering group can have; the kernel's socket arrays have this size.
const MaxSlots = 256

// Config says what one worker does. The yaml names are also the flags' (with dashes, nested keys joined by a dash) and the
// environment's (TELCOL_ and upper case, joined by an underscore).
type Config struct {
	Slot        int    `yaml:"slot"`         // place in the group, 0 to Slots-1; -1 when not told
	Slots       int    `yaml:"slots"`        // number intended; 0 takes the group's own
	Group       string `yaml:"group"`        // steering group, default "default"
	Steering    bool   `yaml:"steering"`     // default true; false runs one worker without a group
	ListenIPFIX string `yaml:"listen-ipfix"` // UDP, and TCP unless ipfix.tcp is off; default [::]:4739; several with commas between, see IPFIXAddrs
	ListenBMP   string `yaml:"listen-bmp"`   // TCP, default [::]:1790; several with commas between, see BMPAddrs
	HTTP        string `yaml:"http"`         // metrics, health and looking glass; default 127.0.0.1:(8080+slot); "off" for none
	StateDir    string `yaml:"state-dir"`    // what outlives a restart; "" keeps nothing
	// RunDir is where the slots' sockets for takeovers are, default StateDir, else /run/telcol for root and a folder of the user's own
	// in the folder for temporary files for others. Without steering and StateDir there is no default.
	RunDir string `yaml:"run-dir"`
	// ImageInterval is how often the routes of a device are saved to StateDir when they have changed, default 5m; 0 is only at the stop.
	ImageInterval time.Duration `yaml:"image-interval"`
	Sink          string        `yaml:"sink"`          // kafka (default) or stdout
	LogLevel      string        `yaml:"log-level"`     // debug, info (default), warn, error
	LogFormat     string        `yaml:"log-format"`    // text (default) or json
	DrainAfter    time.Duration `yaml:"drain-timeout"` // how long a stop may deliver what was taken, default 8s
	Kafka         KafkaConfig   `yaml:"kafka"`
	Intake        IntakeConfig  `yaml:"intake"`
	BMP           BMPConfig     `yaml:"bmp"`
	IPFIX         IPFIXConfig   `yaml:"ipfix"`
	Join          JoinConfig    `yaml:"join"`
	Aliases       AliasConfig   `yaml:"aliases"`
	Record        RecordConfig  `yaml:"record"`
}

// KafkaConfig says where and how records are produced.
type KafkaConfig struct {
	Brokers      []string      `yaml:"brokers"`       // bootstrap addresses, default localhost:9092
	TopicFlow    string        `yaml:"topic-flow"`    // default telcol.flow
	TopicBMP     string        `yaml:"topic-bmp"`     // default telcol.bmp; see bmp.events
	CreateTopics bool          `yaml:"create-topics"` // create a missing topic, default true
	Partitions   int32         `yaml:"partitions"`    // of a topic that telcol creates; default -1, the broker's own
	Replication  int16         `yaml:"replication"`   // of a topic that telcol creates; default -1, the broker's own
	Compression  string        `yaml:"compression"`   // none (default), snappy, lz4, zstd
	BufferBytes  int64         `yaml:"buffer-bytes"`  // records waiting for delivery, default 256 MiB; beyond it the oldest is dropped and counted
	Linger       time.Duration `yaml:"linger"`        // how long a batch waits for more records, default 20ms

	TLS          bool   `yaml:"tls"`                // connections to brokers by TLS
	TLSCA        string `yaml:"tls-ca"`             // file of the authorities to trust; default those of the system
	TLSCert      string `yaml:"tls-cert"`           // file of the worker's own certificate; default none
	TLSKey       string `yaml:"tls-key"`            // file of its key
	SASL         string `yaml:"sasl"`               // mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; default none
	SASLUser     string `yaml:"sasl-user"`          // who the worker is to the brokers
	SASLPassword string `yaml:"sasl-password-file"` // file of the password, which is in no setting, so that no command shows it
}

// IntakeConfig bounds what is read from the sockets.
type IntakeConfig struct {
	ReceiveBuffer int           `yaml:"receive-buffer"` // bytes asked of the kernel for the UDP socket, default 32 MiB
	Coalesce      time.Duration `yaml:"coalesce"`       // a short batch waits this long for more datagrams, default 5ms; 0 reads at once
	MaxSessions   int           `yaml:"max-sessions"`   // BMP connections at once, default 4096
	MoveSpread    time.Duration `yaml:"move-spread"`    // connections of devices that move to another slot are closed over this long, default 4s; 0 is at once
}

// JoinConfig says how long flows wait for what a right join needs, and in how much memory. None is lost by it: what has waited long
// enough, or has to make room, is joined with what is known.
type JoinConfig struct {
	// RIBWait is how long a flow waits for the end of its device's dump (End-of-RIB or bmp.quiet-period), default 60s; 0 joins at
	// once with what has arrived.
	RIBWait time.Duration `yaml:"rib-wait"`
	// NewWait is how long the first flows of a device that was never met wait for its BMP session, default 6s; 0 is not at all. It
	// applies where other devices speak BMP, and in the worker's first minute, when nobody can tell. A device that does not speak BMP is
	// held so once, until it is forgotten, and not at all when StateDir has it.
	NewWait        time.Duration `yaml:"new-wait"`
	HoldBytes      int           `yaml:"hold-bytes"`       // of flows that wait, per device, default 16 MiB
	HoldTotalBytes int           `yaml:"hold-total-bytes"` // of flows that wait, all devices, default 256 MiB

	// History is how long a route that was replaced or withdrawn still answers for flows that ended before, default 10m; 0 joins all
	// flows with the routes of now. HistoryBytes bounds it per device, default 64 MiB; the oldest goes first.
	History      time.Duration `yaml:"history"`
	HistoryBytes int           `yaml:"history-bytes"`
	// ClockTolerance is by how much the export times of a device may differ from our clock, default 30s. Beyond it the times of
	// its flows are not used to choose routes.
	ClockTolerance time.Duration `yaml:"clock-tolerance"`
}

// BMPConfig bounds what one BMP session may ask for.
type BMPConfig struct {
	MaxMessage   int           `yaml:"max-message"`   // bytes, 4096 to 64 MiB, default 1 MiB; a longer message ends the session
	StaleTimeout time.Duration `yaml:"stale-timeout"` // routes of a lost session are kept this long, default 10m; must be positive, as the next
	QuietPeriod  time.Duration `yaml:"quiet-period"`  // a table without End-of-RIB counts as whole after this much silence, default 5s
	MaxRoutes    int           `yaml:"max-routes"`    // per device, default 20 million, 0 is no limit; further ones are refused and counted
	MaxPeers     int           `yaml:"max-peers"`     // per device, default 16384; what further ones tell is refused and counted

	// MaxSessions is how many sessions a device may have at once, default 16; beyond it its oldest one ends. Intake.MaxSessions bounds
	// those of all devices.
	MaxSessions int `yaml:"max-sessions"`

	// MaxAttributeBytes bounds the memory for sets of path attributes that a device is the first to tell, default 1 GiB, 0 is no limit.
	// Routes with further ones are refused and counted.
	MaxAttributeBytes int `yaml:"max-attribute-bytes"`

	// Events says which events go to kafka.topic-bmp: off, sessions (BMP sessions and BGP peers), all (also routes, End-of-RIB and
	// statistics), or auto (default), which is sessions with the kafka sink and off with stdout.
	Events string `yaml:"events"`
	// EventsMirror publishes Route Mirroring messages too when Events is all; default false.
	EventsMirror bool `yaml:"events-mirror"`
	// EventsOverflow says what happens when events wait for Kafka and EventsBuffer is full: drop (default) loses new events, counts
	// them and says so on the topic; slow keeps the device waiting, whose routes in this worker then lag too.
	EventsOverflow string `yaml:"events-overflow"`
	EventsBuffer   int64  `yaml:"events-buffer"` // memory for events that wait for delivery, beside kafka.buffer-bytes; default 64 MiB

	// Keepalive is after how much silence the kernel asks whether the device is still there, 1s to 9h, default 60s. When it does not answer five
	// more questions, 15s apart, the session is lost. A quiet router is fine; one that is gone without a word is found.
	Keepalive time.Duration `yaml:"keepalive"`
	// IdleTimeout ends a session that sends nothing for so long, at least 1s, default 0: never. BMP knows no keepalive of its own, so it is
	// for routers that are known to send statistics more often.
	IdleTimeout time.Duration `yaml:"idle-timeout"`

	// DriftReports is how many of a router's statistics in a row must count other routes than we hold before the difference is
	// told as drift, default 3; 0 compares nothing. DriftRoutes is by how many routes, default 10, or 1 % of a larger table.
	DriftReports int `yaml:"drift-reports"`
	DriftRoutes  int `yaml:"drift-routes"`
}

// Default returns the configuration of a worker that was told nothing.
func Default() Config {
	return Config{
		Slot: -1, Group: "default", Steering: true,
		ListenIPFIX: "[::]:4739", ListenBMP: "[::]:1790",
		Sink: SinkKafka, LogLevel: "info", LogFormat: "text", DrainAfter: 8 * time.Second, ImageInterval: 5 * time.Minute,
		Kafka: KafkaConfig{
			Brokers: []string{"localhost:9092"}, TopicFlow: "telcol.flow", TopicBMP: "telcol.bmp", CreateTopics: true,
			Partitions: -1, Replication: -1, Compression: "none", BufferBytes: 256 << 20, Linger: 20 * time.Millisecond,
		},
		Intake: IntakeConfig{ReceiveBuffer: 32 << 20, Coalesce: 5 * time.Millisecond, MaxSessions: 4096, MoveSpread: 4 * time.Second},
		IPFIX:  defaultIPFIX(),
		Record: RecordConfig{Extra: ExtraOff},
		Join: JoinConfig{
			RIBWait: 60 * time.Second, NewWait: 6 * time.Second, HoldBytes: 16 << 20, HoldTotalBytes: 256 << 20,
			History: 10 * time.Minute, HistoryBytes: 64 << 20, ClockTolerance: 30 * time.Second,
		},
		BMP: BMPConfig{
			MaxMessage: 1 << 20, StaleTimeout: 10 * time.Minute, QuietPeriod: 5 * time.Second, MaxRoutes: 20_000_000,
			Events: EventsAuto, EventsOverflow: OverflowDrop, EventsBuffer: 64 << 20,
			MaxPeers: 16384, MaxSessions: 16, MaxAttributeBytes: 1 << 30, Keepalive: time.Minute, DriftReports: 3, DriftRoutes: 10,
		},
	}
}

// ErrConfig is wrapped by every error of Validate.
var ErrConfig = errors.New("configuration")

// Validate reports the first value that cannot work, in words that say what to do.
func (c *Config) Validate() error {
	switch {
	case c.Slots < 0 || c.Slots > MaxSlots:
		return fmt.Errorf("%w: slots %d is out of range, want 1 to %d", ErrConfig, c.Slots, MaxSlots)
	case c.Slot < 0:
		return fmt.Errorf("%w: say which slot this worker has (--slot 0 to slots-1)", ErrConfig)
	case c.Slot >= MaxSlots, c.Slots > 0 && c.Slot >= c.Slots:
		n := c.Slots
		if n == 0 {
			n = MaxSlots
		}
		return fmt.Errorf("%w: slot %d is out of range, %d slots are numbered 0 to %d", ErrConfig, c.Slot, n, n-1)
	case !steering.ValidName(c.Group):
		return fmt.Errorf("%w: group %q is not a name: %w", ErrConfig, shortened(c.Group), steering.ErrName)
	case c.Sink != SinkKafka && c.Sink != SinkStdout:
		return fmt.Errorf("%w: sink %q is unknown, want kafka or stdout", ErrConfig, c.Sink)
	case c.Sink == SinkKafka && len(c.Kafka.Brokers) == 0:
		return fmt.Errorf("%w: the kafka sink needs at least one broker (--kafka-brokers host:port)", ErrConfig)
	case c.DrainAfter <= 0:
		return fmt.Errorf("%w: drain-timeout %v must be positive", ErrConfig, c.DrainAfter)
	}
	if err := c.checkPorts(); err != nil {
		return err
	}
	return c.validateRest()
}

func (c *Config) validateRest() error {
	if c.HTTP != "" && c.HTTP != "off" {
		if _, port, err := net.SplitHostPort(c.HTTP); err != nil || !isPort(port, 0) {
			return fmt.Errorf("%w: http %q is not address:port (or off)", ErrConfig, shortened(c.HTTP))
		}
	}
	if err := c.Kafka.validate(); err != nil {
		return err
	}
	if err := c.checkWaits(); err != nil {
		return err
	}
	if _, err := c.AliasMap(); err != nil {
		return err
	}
	switch {
	case c.Intake.ReceiveBuffer > maxReceiveBuffer:
		return fmt.Errorf("%w: intake.receive-buffer %d is too large, the kernel takes at most 1 GiB", ErrConfig, c.Intake.ReceiveBuffer)
	case c.Join.HoldBytes < 1<<16 || c.Join.HoldTotalBytes < c.Join.HoldBytes:
		return fmt.Errorf("%w: join.hold-bytes %d and join.hold-total-bytes %d: want at least 64 KiB a device and no less in all",
			ErrConfig, c.Join.HoldBytes, c.Join.HoldTotalBytes)
	case c.Join.HistoryBytes < 1<<16:
		return fmt.Errorf("%w: join.history-bytes %d is too small, want at least 64 KiB (join.history 0 keeps none)", ErrConfig, c.Join.HistoryBytes)
	case c.Join.ClockTolerance < time.Second:
		return fmt.Errorf("%w: join.clock-tolerance %v is too small, export times are whole seconds", ErrConfig, c.Join.ClockTolerance)
	case c.Intake.MaxSessions < 1:
		return fmt.Errorf("%w: intake.max-sessions %d must be positive", ErrConfig, c.Intake.MaxSessions)
	case c.Record.Extra != ExtraOff && c.Record.Extra != ExtraAll:
		return fmt.Errorf("%w: record.extra %q is unknown, want off or all", ErrConfig, c.Record.Extra)
	}
	if err := c.IPFIX.validate(); err != nil {
		return err
	}
	if err := c.BMP.validate(); err != nil {
		return err
	}
	return c.validateEvents()
}

// HTTPAddr is where the worker serves HTTP: as configured, else 127.0.0.1 and 8080 plus the slot; "" when off.
func (c *Config) HTTPAddr() string {
	switch c.HTTP {
	case "":
		return fmt.Sprintf("127.0.0.1:%d", 8080+c.Slot)
	case "off":
		return ""
	}
	return c.HTTP
}
