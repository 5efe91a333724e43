package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/telcol/telcol/deploy/freeport"
)

func TestKafkaBrokerComesLate(t *testing.T) {
	port := freeport.Get(t)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	s := newKafka(t, KafkaConfig{Brokers: []string{addr}, CreateTopics: true, Partitions: 2, Replication: 1})
	sendNumbered(s, 5, 0, 100)
	until(t, "the status to tell", func() bool { return s.Status().Err != nil })
	st := s.Status()
	if st.Up || !errors.Is(st.Err, ErrNoBroker) || !strings.Contains(st.String(), "connection refused") || st.Waiting != 500 {
		t.Errorf("status %v", st)
	}
	c := cluster(t, kfake.Ports(port))
	sendNumbered(s, 5, 100, 200)
	flush(t, s)
	checkOrder(t, readTopic(t, c.ListenAddrs(), testTopic, 1000), 5, 200)
	if st := s.Status(); !st.Up || st.Err != nil {
		t.Errorf("status %v", st)
	}
}

func TestKafkaBrokerGoesAndComesBack(t *testing.T) {
	port, dir := freeport.Get(t), t.TempDir()
	start := func() *kfake.Cluster {
		return cluster(t, kfake.Ports(port), kfake.DataDir(dir), kfake.SeedTopics(3, testTopic))
	}
	c := start()
	s := newKafka(t, KafkaConfig{Brokers: c.ListenAddrs(), Linger: time.Millisecond})
	const keys = 10
	sendNumbered(s, keys, 0, 300)
	until(t, "the first delivery", func() bool { return s.Counters()[0].Delivered > 0 })
	c.Close()
	sendNumbered(s, keys, 300, 600)
	until(t, "the status to tell", func() bool { return !s.Status().Up })
	sum := checkSums(t, s.Counters())
	if sum.Waiting < keys*300 || sum.TotalLost() != 0 {
		t.Errorf("while away: waiting %d, lost %v", sum.Waiting, sum.LostBy)
	}
	c = start()
	sendNumbered(s, keys, 600, 900)
	flush(t, s)
	checkOrder(t, readTopic(t, c.ListenAddrs(), testTopic, keys*900), keys, 900)
	if sum := checkSums(t, s.Counters()); sum.Delivered != keys*900 {
		t.Errorf("delivered %d, lost %v", sum.Delivered, sum.LostBy)
	}
}

func TestKafkaTopicIsCreatedAsConfigured(t *testing.T) {
	c := cluster(t)
	week := "604800000"
	s := newKafka(t, KafkaConfig{
		Brokers: c.ListenAddrs(), CreateTopics: true, Partitions: 6, Replication: 1, TopicConfig: map[string]*string{"retention.ms": &week},
	})
	until(t, "the topic", func() bool { return s.Status().Up })
	topics, err := s.admin.ListTopics(t.Context(), testTopic)
	if err != nil || len(topics[testTopic].Partitions) != 6 {
		t.Errorf("%d partitions (%v), want 6", len(topics[testTopic].Partitions), err)
	}
	cfgs, err := s.admin.DescribeTopicConfigs(t.Context(), testTopic)
	if err != nil {
		t.Fatal(err)
	}
	var retention string
	for _, kv := range cfgs[0].Configs {
		if kv.Key == "retention.ms" {
			retention = kv.MaybeValue()
		}
	}
	if retention != week {
		t.Errorf("retention.ms %q, want %q", retention, week)
	}
}

func TestKafkaTopicProblemsAreTold(t *testing.T) {
	refuse := func(code int16) func(kmsg.Request) (kmsg.Response, error, bool) {
		return func(req kmsg.Request) (kmsg.Response, error, bool) {
			resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
			for _, rt := range req.(*kmsg.CreateTopicsRequest).Topics {
				st := kmsg.NewCreateTopicsResponseTopic()
				st.Topic, st.ErrorCode = rt.Topic, code
				resp.Topics = append(resp.Topics, st)
			}
			return resp, nil, true
		}
	}
	for _, tc := range []struct {
		name   string
		create bool
		code   int16
		want   []error
	}{
		{"creating is off", false, 0, []error{ErrNoTopic}},
		{"creating is refused", true, kerr.TopicAuthorizationFailed.Code, []error{ErrCreate, kerr.TopicAuthorizationFailed}},
		{"too few brokers", true, kerr.InvalidReplicationFactor.Code, []error{ErrCreate, kerr.InvalidReplicationFactor}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := cluster(t)
			if tc.create {
				c.ControlKey(int16(kmsg.CreateTopics), func(r kmsg.Request) (kmsg.Response, error, bool) {
					c.KeepControl()
					return refuse(tc.code)(r)
				})
			}
			s := newKafka(t, KafkaConfig{Brokers: c.ListenAddrs(), CreateTopics: tc.create})
			send(s, 0, "k", "v")
			until(t, "the status to tell", func() bool { return s.Status().Err != nil })
			st := s.Status()
			for _, want := range tc.want {
				if !errors.Is(st.Err, want) {
					t.Errorf("status %v, want %v", st, want)
				}
			}
			if !strings.Contains(st.Err.Error(), testTopic) || st.Up || st.Waiting != 1 {
				t.Errorf("status %v", st)
			}
			if tc.create {
				return
			}
			// The operator creates it; nothing was lost meanwhile.
			if _, err := kadm.NewClient(s.client).CreateTopic(t.Context(), 1, 1, nil, testTopic); err != nil {
				t.Fatal(err)
			}
			flush(t, s)
			if got := readTopic(t, c.ListenAddrs(), testTopic, 1); string(got[0].Value) != "v" {
				t.Errorf("got %q", got[0].Value)
			}
		})
	}
}

func TestKafkaUserProblemsAreTold(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, testTopic), kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "admin", "secret"), kfake.User("PLAIN", "nobody", "secret"))
	// kfake hangs up at a wrong password; Kafka says why.
	c.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if !bytes.Contains(req.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes, []byte("guessed")) {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return resp, nil, true
	})
	for _, tc := range []struct {
		name, user, password string
		want                 error
	}{
		{"may write", "admin", "secret", nil},
		{"may not write", "nobody", "secret", ErrForbidden},
		{"wrong password", "admin", "guessed", kerr.SaslAuthenticationFailed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newKafka(t, KafkaConfig{Brokers: c.ListenAddrs(), Options: []kgo.Opt{
				kgo.SASL(plain.Auth{User: tc.user, Pass: tc.password}.AsMechanism()),
			}})
			send(s, 0, "k", "v")
			if tc.want == nil {
				flush(t, s)
				return
			}
			until(t, "the status to tell", func() bool { return s.Status().Err != nil })
			if st := s.Status(); st.Up || !errors.Is(st.Err, tc.want) || st.Waiting != 1 {
				t.Errorf("status %v, want %v", st, tc.want)
			}
		})
	}
}

func TestKafkaStallIsTold(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, testTopic))
	var cured atomic.Bool
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if cured.Load() {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, rt := range req.(*kmsg.ProduceRequest).Topics {
			st := kmsg.NewProduceResponseTopic()
			st.Topic, st.TopicID = rt.Topic, rt.TopicID
			for _, rp := range rt.Partitions {
				sp := kmsg.NewProduceResponseTopicPartition()
				sp.Partition, sp.ErrorCode = rp.Partition, kerr.NotEnoughReplicas.Code
				st.Partitions = append(st.Partitions, sp)
			}
			resp.Topics = append(resp.Topics, st)
		}
		return resp, nil, true
	})
	s := newKafka(t, KafkaConfig{Brokers: c.ListenAddrs()})
	until(t, "the topic", func() bool { return s.Status().Up })
	late := func() time.Time { return time.Now().Add(stallAfter) }
	if err := s.stalled(late()); err != nil {
		t.Errorf("nothing was sent: %v", err)
	}
	send(s, 0, "k", "v")
	if err := s.stalled(time.Now()); err != nil {
		t.Errorf("at once: %v", err)
	}
	if err := s.stalled(late()); !errors.Is(err, ErrStalled) || !strings.Contains(err.Error(), testTopic) {
		t.Errorf("after a while: %v", err)
	}
	cured.Store(true)
	flush(t, s)
	if err := s.stalled(late()); err != nil {
		t.Errorf("all is delivered: %v", err)
	}
}

func TestKafkaLossesAreLogged(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, testTopic))
	var log bytes.Buffer
	s := newKafka(t, KafkaConfig{Brokers: c.ListenAddrs(), Log: slog.New(slog.NewTextHandler(&log, nil))})
	for range 3 {
		send(s, 0, "k", strings.Repeat("x", 2<<20))
	}
	flush(t, s)
	s.Close() // as the pump does from time to time
	want := fmt.Sprintf(`level=WARN msg="records were lost" topic=%s reason=too-large records=3 in_all=3 err=`, testTopic)
	if n := strings.Count(log.String(), "records were lost"); n != 1 || !strings.Contains(log.String(), want) {
		t.Errorf("log:\n%s\nwant once %s", log.String(), want)
	}
}

func TestKafkaSilentBrokerIsTold(t *testing.T) {
	s := newKafka(t, KafkaConfig{Brokers: cluster(t, kfake.SeedTopics(1, testTopic)).ListenAddrs()})
	until(t, "the topic", func() bool { return s.Status().Up })
	if err := s.noBroker(context.DeadlineExceeded); !errors.Is(err, ErrNoBroker) || !errors.Is(err, errSilent) {
		t.Errorf("got %v", err)
	}
}
