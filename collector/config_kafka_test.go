package collector

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestValidateWhatRunsIntoTheVoid refuses settings with which a worker would start and then do nothing, or something else.
func TestValidateWhatRunsIntoTheVoid(t *testing.T) {
	for want, change := range map[string]func(*Config){
		`kafka.brokers ":9092" is not host:port`:       func(c *Config) { c.Kafka.Brokers = []string{"kafka:9092", ":9092"} },
		`kafka.brokers "kafka:x" is not`:               func(c *Config) { c.Kafka.Brokers = []string{"kafka:x"} },
		`kafka.brokers "kafka:99999" is not`:           func(c *Config) { c.Kafka.Brokers = []string{"kafka:99999"} },
		`kafka.brokers "kafka:0" is not`:               func(c *Config) { c.Kafka.Brokers = []string{"kafka:0"} },
		`kafka.brokers "kafka :9092" is not`:           func(c *Config) { c.Kafka.Brokers = []string{"kafka :9092"} },
		`kafka.topic-flow "" is not a name`:            func(c *Config) { c.Kafka.TopicFlow = "" },
		`kafka.topic-flow "a b" is not a name`:         func(c *Config) { c.Kafka.TopicFlow = "a b" },
		`kafka.topic-flow "a\xff" is not a name`:       func(c *Config) { c.Kafka.TopicFlow = "a\xff" },
		`kafka.topic-bmp ".." is not a name`:           func(c *Config) { c.Kafka.TopicBMP = ".." },
		`…" is not a name of a topic, which is`:        func(c *Config) { c.Kafka.TopicBMP = strings.Repeat("a", 1<<16) },
		`kafka.compression "brotli" is unknown`:        func(c *Config) { c.Kafka.Compression = "brotli" },
		`kafka.linger -1s is out of range`:             func(c *Config) { c.Kafka.Linger = -time.Second },
		`kafka.sasl "plain" is unknown`:                func(c *Config) { c.Kafka.SASL = "plain" },
		`kafka.sasl PLAIN wants kafka.sasl-user`:       func(c *Config) { c.Kafka.SASL = "PLAIN" },
		`kafka.sasl is not set: name the mechanism`:    func(c *Config) { c.Kafka.SASLUser = "u" },
		`kafka.tls is off: switch it on`:               func(c *Config) { c.Kafka.TLSCA = "ca" },
		`kafka.tls-cert and kafka.tls-key go together`: func(c *Config) { c.Kafka.TLS, c.Kafka.TLSCert = true, "c" },
		`kafka.linger 2m0s is out of range`:            func(c *Config) { c.Kafka.Linger = 2 * time.Minute },
		`kafka.partitions -2 and`:                      func(c *Config) { c.Kafka.Partitions = -2 },
		`kafka.replication -3: want`:                   func(c *Config) { c.Kafka.Replication = -3 },
		`kafka.buffer-bytes 5 is too small`:            func(c *Config) { c.Kafka.BufferBytes = 5 },
		`http "127.0.0.1:99999" is not`:                func(c *Config) { c.HTTP = "127.0.0.1:99999" },
		`http "127.0.0.1:" is not`:                     func(c *Config) { c.HTTP = "127.0.0.1:" },
		`image-interval -5s must not be negative`:      func(c *Config) { c.ImageInterval = -5 * time.Second },
		`intake.coalesce -1s must not be negative`:     func(c *Config) { c.Intake.Coalesce = -time.Second },
		`intake.coalesce 5h0m0s is too long`:           func(c *Config) { c.Intake.Coalesce = 5 * time.Hour },
		`intake.receive-buffer`:                        func(c *Config) { c.Intake.ReceiveBuffer = 1 << 40 },
		`intake.move-spread -1s must not`:              func(c *Config) { c.Intake.MoveSpread = -time.Second },
		`join.rib-wait -1s must not`:                   func(c *Config) { c.Join.RIBWait = -time.Second },
		`join.new-wait -1s must not`:                   func(c *Config) { c.Join.NewWait = -time.Second },
		`join.history -1s must not`:                    func(c *Config) { c.Join.History = -time.Second },
		`group "a\nb" is not a name: group names are`:  func(c *Config) { c.Group = "a\nb" },
		`…" is not a name: group names are`:            func(c *Config) { c.Group = strings.Repeat("a", 1<<16) },
	} {
		cfg := Default()
		cfg.Slot = 0
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&cfg)
		if err := cfg.Validate(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) || len(err.Error()) > 250 {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestValidateTakes(t *testing.T) {
	for _, change := range []func(*Config){
		func(c *Config) {
			c.Kafka.Brokers = []string{"kafka:9092", "192.0.2.1:1", "[2001:db8::1]:65535", "[fe80::1%eth0]:9092"}
		},
		func(c *Config) { c.Kafka.TopicFlow = "Telcol.flow_1-x" },
		func(c *Config) { c.Kafka.Linger = 0 },
		func(c *Config) { c.Kafka.Partitions, c.Kafka.Replication = 0, 3 },
		func(c *Config) { c.HTTP = ":0" },
		func(c *Config) { c.HTTP = "[fe80::1%eth0]:http" },
		func(c *Config) {
			c.Intake.Coalesce, c.Join.RIBWait, c.Join.NewWait, c.Join.History, c.ImageInterval = 0, 0, 0, 0, 0
		},
	} {
		cfg := Default()
		cfg.Slot = 0
		change(&cfg)
		if err := cfg.Validate(); err != nil {
			t.Error(err)
		}
	}
}
