package sink

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// authority signs certificates and keeps them as files.
type authority struct {
	t    *testing.T
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.sign(name, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// sign makes the files NAME.crt and NAME.key.
func (a *authority) sign(name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	writeFile(a.t, a.file(name+".crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	writeFile(a.t, a.file(name+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func writeFile(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// broker is the TLS configuration of a broker on loopback that wants a certificate of the authority.
func (a *authority) broker() *tls.Config {
	a.t.Helper()
	a.sign("broker", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	own, err := tls.LoadX509KeyPair(a.file("broker.crt"), a.file("broker.key"))
	if err != nil {
		a.t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AddCert(a.cert)
	return &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
}

// A password, and an own certificate, that become right while records wait are taken from then on.
func TestKafkaSecurity(t *testing.T) {
	for _, mechanism := range []string{SASLPlain, SASLScramSHA256, SASLScramSHA512} {
		t.Run(mechanism, func(t *testing.T) {
			a := newAuthority(t, "ca")
			c := cluster(t, kfake.SeedTopics(3, testTopic), kfake.TLS(a.broker()), kfake.EnableSASL(), kfake.Superuser(mechanism, "telcol", "right"))
			asClient := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
			a.sign("worker", &x509.Certificate{ExtKeyUsage: asClient})
			security := Security{
				TLS: true, CAFile: a.file("ca.crt"), CertFile: a.file("worker.crt"), KeyFile: a.file("worker.key"),
				Mechanism: mechanism, User: "telcol", PasswordFile: a.file("password"),
			}
			writeFile(t, security.PasswordFile, []byte("wrong\n"))
			s := newKafka(t, KafkaConfig{Brokers: c.ListenAddrs(), Security: security})
			sendNumbered(s, 5, 0, 10)
			until(t, "the refusal to be told", func() bool { return s.Status().Err != nil && !s.Status().Up })
			writeFile(t, security.PasswordFile, []byte("right\r\n"))
			until(t, "delivery", func() bool { s.lookNow(); return s.Counters()[0].Waiting == 0 })
			if sum := checkSums(t, s.Counters()); sum.Delivered != 50 {
				t.Errorf("delivered %d, lost %v", sum.Delivered, sum.LostBy)
			}
		})
	}
}

// A broker that is not who it should be, and one to which the sink is nobody, get no record.
func TestKafkaSecurityRefuses(t *testing.T) {
	a, other := newAuthority(t, "ca"), newAuthority(t, "ca")
	asClient := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, x := range []*authority{a, other} {
		x.sign("worker", &x509.Certificate{ExtKeyUsage: asClient})
	}
	c := cluster(t, kfake.SeedTopics(3, testTopic), kfake.TLS(a.broker()))
	for want, tc := range map[string]Security{
		"signed by unknown authority":   {TLS: true, CAFile: other.file("ca.crt"), CertFile: a.file("worker.crt"), KeyFile: a.file("worker.key")},
		"unknown certificate authority": {TLS: true, CAFile: a.file("ca.crt"), CertFile: other.file("worker.crt"), KeyFile: other.file("worker.key")},
		"certificate required":          {TLS: true, CAFile: a.file("ca.crt")},
		"is TLS missing?":               {},
	} {
		t.Run(want, func(t *testing.T) {
			s := newKafka(t, KafkaConfig{Brokers: c.ListenAddrs(), Security: tc})
			send(s, 0, "k", "v")
			until(t, "the fault to be told", func() bool { return s.Status().Err != nil })
			if st := s.Status(); st.Up || !strings.Contains(st.Err.Error(), want) || s.Counters()[0].Delivered != 0 {
				t.Errorf("%+v, %+v", st, s.Counters())
			}
		})
	}
}

func TestKafkaSecurityFiles(t *testing.T) {
	a := newAuthority(t, "ca")
	a.sign("worker", &x509.Certificate{})
	writeFile(t, a.file("empty"), []byte("\n"))
	for want, tc := range map[string]Security{
		"authorities for TLS: open":                                 {TLS: true, CAFile: a.file("none")},
		"holds no certificate":                                      {TLS: true, CAFile: a.file("ca.key")},
		"certificate for TLS: open":                                 {TLS: true, CertFile: a.file("none"), KeyFile: a.file("worker.key")},
		"certificate for TLS: tls: private key does not match":      {TLS: true, CertFile: a.file("worker.crt"), KeyFile: a.file("ca.key")},
		"the SASL password: open":                                   {Mechanism: SASLPlain, User: "u", PasswordFile: a.file("none")},
		"is empty":                                                  {Mechanism: SASLScramSHA256, User: "u", PasswordFile: a.file("empty")},
		`SASL mechanism "GSSAPI" is unknown, want PLAIN, SCRAM-SHA`: {Mechanism: "GSSAPI", User: "u", PasswordFile: a.file("ca.key")},
	} {
		_, err := NewKafka(KafkaConfig{Brokers: []string{"127.0.0.1:1"}, Topics: []Topic{{Name: testTopic}}, Security: tc})
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
