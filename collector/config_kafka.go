package collector

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/telcol/telcol/collector/sink"
)

const (
	maxLinger        = time.Minute // of the Kafka client
	maxCoalesce      = time.Second
	maxReceiveBuffer = 1 << 30
	maxTopic         = 249 // of Kafka
	maxQuoted        = 60
)

func (k *KafkaConfig) validate() error {
	for _, b := range k.Brokers {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || strings.ContainsAny(host, " /\t") || !isPort(port, 1) {
			return fmt.Errorf("%w: kafka.brokers %q is not host:port", ErrConfig, shortened(b))
		}
	}
	for _, t := range [...]struct{ name, value string }{{"topic-flow", k.TopicFlow}, {"topic-bmp", k.TopicBMP}} {
		if !isTopic(t.value) {
			return fmt.Errorf("%w: kafka.%s %q is not a name of a topic, which is 1 to %d letters, digits, '.', '_' and '-'",
				ErrConfig, t.name, shortened(t.value), maxTopic)
		}
	}
	switch k.Compression {
	case "", "none", "snappy", "lz4", "zstd":
	default:
		return fmt.Errorf("%w: kafka.compression %q is unknown, want none, snappy, lz4 or zstd", ErrConfig, shortened(k.Compression))
	}
	if err := k.validateSecurity(); err != nil {
		return err
	}
	switch {
	case k.BufferBytes < 1<<20:
		return fmt.Errorf("%w: kafka.buffer-bytes %d is too small, want at least 1 MiB", ErrConfig, k.BufferBytes)
	case k.Linger < 0 || k.Linger > maxLinger:
		return fmt.Errorf("%w: kafka.linger %v is out of range, want 0 to 1m", ErrConfig, k.Linger)
	case k.Partitions < -1 || k.Replication < -1:
		return fmt.Errorf("%w: kafka.partitions %d and kafka.replication %d: want a number, or -1 for the broker's own", ErrConfig, k.Partitions, k.Replication)
	}
	return nil
}

// validateSecurity refuses settings that would be without effect. Whether files can be used is seen at the start.
func (k *KafkaConfig) validateSecurity() error {
	switch k.SASL {
	case "", sink.SASLPlain, sink.SASLScramSHA256, sink.SASLScramSHA512:
	default:
		return fmt.Errorf("%w: kafka.sasl %q is unknown, want %s, %s or %s", ErrConfig, shortened(k.SASL),
			sink.SASLPlain, sink.SASLScramSHA256, sink.SASLScramSHA512)
	}
	switch {
	case !k.TLS && k.TLSCA+k.TLSCert+k.TLSKey != "":
		return fmt.Errorf("%w: kafka.tls is off: switch it on, or leave out kafka.tls-ca, kafka.tls-cert and kafka.tls-key", ErrConfig)
	case (k.TLSCert == "") != (k.TLSKey == ""):
		return fmt.Errorf("%w: kafka.tls-cert and kafka.tls-key go together", ErrConfig)
	case k.SASL == "" && k.SASLUser+k.SASLPassword != "":
		return fmt.Errorf("%w: kafka.sasl is not set: name the mechanism, or leave out kafka.sasl-user and kafka.sasl-password-file", ErrConfig)
	case k.SASL != "" && (k.SASLUser == "" || k.SASLPassword == ""):
		return fmt.Errorf("%w: kafka.sasl %s wants kafka.sasl-user and kafka.sasl-password-file", ErrConfig, k.SASL)
	}
	return nil
}

func (k *KafkaConfig) security() sink.Security {
	return sink.Security{
		TLS: k.TLS, CAFile: k.TLSCA, CertFile: k.TLSCert, KeyFile: k.TLSKey,
		Mechanism: k.SASL, User: k.SASLUser, PasswordFile: k.SASLPassword,
	}
}

// checkWaits refuses times that are negative, which would mean something else than they say further in.
func (c *Config) checkWaits() error {
	for _, d := range [...]struct {
		name string
		d    time.Duration
	}{
		{"image-interval", c.ImageInterval},
		{"intake.coalesce", c.Intake.Coalesce},
		{"intake.move-spread", c.Intake.MoveSpread},
		{"join.rib-wait", c.Join.RIBWait},
		{"join.new-wait", c.Join.NewWait},
		{"join.history", c.Join.History},
	} {
		if d.d < 0 {
			return fmt.Errorf("%w: %s %v must not be negative", ErrConfig, d.name, d.d)
		}
	}
	if c.Intake.Coalesce > maxCoalesce {
		return fmt.Errorf("%w: intake.coalesce %v is too long, want at most %v", ErrConfig, c.Intake.Coalesce, maxCoalesce)
	}
	return nil
}

// isTopic reports whether Kafka takes a name for a topic.
func isTopic(name string) bool {
	ok := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '_' || r == '-'
	}
	return name != "" && name != "." && name != ".." && len(name) <= maxTopic && strings.IndexFunc(name, func(r rune) bool { return !ok(r) }) < 0
}

// isPort reports whether a text is the number of a port, or the name of a service.
func isPort(text string, least uint64) bool {
	if n, err := strconv.ParseUint(text, 10, 16); err == nil {
		return n >= least
	}
	_, err := net.LookupPort("tcp", text)
	return err == nil && text != ""
}

// shortened keeps what is wrong from filling the screen.
func shortened(text string) string {
	if len(text) <= maxQuoted {
		return text
	}
	return text[:maxQuoted] + "…"
}
