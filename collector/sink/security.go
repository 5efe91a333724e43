package sink

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Mechanisms of SASL by which the sink can say who it is, by the names that Kafka has for them.
const (
	SASLPlain       = "PLAIN"
	SASLScramSHA256 = "SCRAM-SHA-256"
	SASLScramSHA512 = "SCRAM-SHA-512"
)

// Security says how connections to brokers are protected and who the sink is to them. Certificate, key and password are read anew for each
// connection, so that new ones take effect without a restart; the authorities are read once.
type Security struct {
	TLS      bool   // TLS 1.2 or newer; the brokers' certificates must be for the names by which they are reached
	CAFile   string // PEM of the authorities to trust; empty trusts those of the system
	CertFile string // PEM of the sink's own certificate and of its key, for brokers that ask for one; empty has none
	KeyFile  string

	Mechanism    string // of SASL; empty does without
	User         string
	PasswordFile string // holds the password, a line end behind it does not count
}

// options are the client's options for it. It fails for files that cannot be used now.
func (s *Security) options() ([]kgo.Opt, error) {
	var opts []kgo.Opt
	if s.TLS {
		cfg, err := s.tlsConfig()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.DialTLSConfig(cfg))
	}
	if s.Mechanism == "" {
		return opts, nil
	}
	if _, err := s.password(); err != nil {
		return nil, err
	}
	switch s.Mechanism {
	case SASLPlain:
		return append(opts, kgo.SASL(plain.Plain(func(context.Context) (plain.Auth, error) {
			pass, err := s.password()
			return plain.Auth{User: s.User, Pass: pass}, err
		}))), nil
	case SASLScramSHA256:
		return append(opts, kgo.SASL(scram.Sha256(s.scram))), nil
	case SASLScramSHA512:
		return append(opts, kgo.SASL(scram.Sha512(s.scram))), nil
	}
	return nil, fmt.Errorf("%w: SASL mechanism %q is unknown, want %s, %s or %s", ErrConfig, s.Mechanism, SASLPlain, SASLScramSHA256, SASLScramSHA512)
}

func (s *Security) scram(context.Context) (scram.Auth, error) {
	pass, err := s.password()
	return scram.Auth{User: s.User, Pass: pass}, err
}

func (s *Security) password() (string, error) {
	text, err := os.ReadFile(s.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("%w: the SASL password: %w", ErrConfig, err)
	}
	text = bytes.TrimRight(text, "\r\n")
	if len(text) == 0 {
		return "", fmt.Errorf("%w: the SASL password: %s is empty", ErrConfig, s.PasswordFile)
	}
	return string(text), nil
}

func (s *Security) tlsConfig() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("%w: authorities for TLS: %w", ErrConfig, err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%w: authorities for TLS: %s holds no certificate (PEM)", ErrConfig, s.CAFile)
		}
	}
	if s.CertFile != "" {
		if _, err := s.certificate(nil); err != nil {
			return nil, err
		}
		cfg.GetClientCertificate = s.certificate
	}
	return cfg, nil
}

func (s *Security) certificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("%w: certificate for TLS: %w", ErrConfig, err)
	}
	return &cert, nil
}
