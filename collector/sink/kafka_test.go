package sink

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/telcol/telcol/deploy/leaks"
)

func TestMain(m *testing.M) {
	if os.Getenv(brokerEnv) != "" {
		runBroker()
	}
	os.Exit(leaks.Main(m))
}

const testTopic = "telcol.test"

func cluster(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func newKafka(t testing.TB, cfg KafkaConfig) *Kafka {
	t.Helper()
	if cfg.Topics == nil {
		cfg.Topics = []Topic{{Name: testTopic}}
	}
	s, err := NewKafka(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// patience is how long these tests wait for anything: a machine may be busy, and one that passes waits for none of it.
const patience = 2 * time.Minute

// flush fails the test unless all is delivered.
func flush(t testing.TB, s *Kafka) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Flush(ctx); err != nil {
		t.Fatalf("%v; %v; %+v", err, s.Status(), s.Counters())
	}
}

// until polls for something that another goroutine brings about.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// readTopic consumes a topic from its start until n records came, and then as long as more come at once.
func readTopic(t testing.TB, brokers []string, topic string, n int) (got []*kgo.Record) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.DisableClientMetrics(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for limit := patience; ; limit = 300 * time.Millisecond {
		for {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			f := cl.PollFetches(ctx)
			cancel()
			if f.NumRecords() == 0 && ctx.Err() != nil {
				if len(got) < n {
					t.Fatalf("read %d of %d records", len(got), n)
				}
				return got
			}
			got = append(got, f.Records()...)
			if len(got) >= n {
				break
			}
		}
	}
}

// checkOrder fails the test unless the records hold, for each key, the numbers 0..per-1 in order, each once.
func checkOrder(t testing.TB, recs []*kgo.Record, keys, per int) {
	t.Helper()
	next := make(map[string]int)
	partition := make(map[string]int32)
	for _, r := range recs {
		key := string(r.Key)
		n, err := strconv.Atoi(strings.TrimSpace(string(r.Value)))
		if err != nil || n != next[key] {
			t.Fatalf("key %s: got %q, want %d", key, r.Value, next[key])
		}
		if p, seen := partition[key]; seen && p != r.Partition {
			t.Fatalf("key %s is in partitions %d and %d", key, p, r.Partition)
		}
		partition[key] = r.Partition
		next[key]++
	}
	if len(next) != keys {
		t.Errorf("got %d keys, want %d", len(next), keys)
	}
	for key, n := range next {
		if n != per {
			t.Errorf("key %s: %d records, want %d", key, n, per)
		}
	}
}

// sendNumbered sends for each key the numbers from to to-1.
func sendNumbered(s *Kafka, keys, from, to int) {
	for n := from; n < to; n++ {
		for k := range keys {
			send(s, 0, fmt.Sprintf("198.51.100.%d", k), fmt.Sprintf("%-100d", n))
		}
	}
}

func TestKafkaDelivers(t *testing.T) {
	for _, codec := range []string{"none", "snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			c := cluster(t)
			at := time.UnixMilli(1700000000123)
			s := newKafka(t, KafkaConfig{
				Brokers: c.ListenAddrs(), Compression: codec, CreateTopics: true, Partitions: 4, Replication: 1,
				Topics: []Topic{
					{Name: testTopic, Headers: []Header{{"schema", []byte("1")}, {"slot", []byte("3")}}},
					{Name: "telcol.other"},
				},
			})
			it := s.Get()
			it.Key, it.Value, it.Time = append(it.Key, "192.0.2.1"...), append(it.Value, "text"...), at
			s.Send(0, it)
			before := time.Now().Truncate(time.Millisecond)
			send(s, 1, "192.0.2.2", "other")
			flush(t, s)

			r := readTopic(t, c.ListenAddrs(), testTopic, 1)[0]
			if string(r.Key) != "192.0.2.1" || string(r.Value) != "text" || !r.Timestamp.Equal(at) {
				t.Errorf("got %q %q %v", r.Key, r.Value, r.Timestamp)
			}
			if len(r.Headers) != 2 || r.Headers[1].Key != "slot" || string(r.Headers[1].Value) != "3" {
				t.Errorf("headers %v", r.Headers)
			}
			r = readTopic(t, c.ListenAddrs(), "telcol.other", 1)[0]
			if len(r.Headers) != 0 || r.Timestamp.Before(before) {
				t.Errorf("other topic: headers %v, time %v", r.Headers, r.Timestamp)
			}
			for _, c := range s.Counters() {
				if c.Accepted != 1 || c.Delivered != 1 || c.DeliveredBytes != c.AcceptedBytes || c.Batches != 1 || c.Waiting != 0 {
					t.Errorf("counters %+v", c)
				}
			}
			if st := s.Status(); !st.Up || st.Err != nil || st.LastDelivery.IsZero() {
				t.Errorf("status %+v", st)
			}
		})
	}
}

func TestKafkaKeepsOrderPerKey(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(7, testTopic))
	s := newKafka(t, KafkaConfig{Brokers: c.ListenAddrs(), Linger: time.Millisecond})
	const keys, per = 50, 400
	sendNumbered(s, keys, 0, per)
	flush(t, s)
	checkOrder(t, readTopic(t, c.ListenAddrs(), testTopic, keys*per), keys, per)
	if sum := checkSums(t, s.Counters()); sum.Delivered != keys*per {
		t.Errorf("delivered %d", sum.Delivered)
	}
}

func TestKafkaRefusedRecordsAreCounted(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, testTopic))
	s := newKafka(t, KafkaConfig{Brokers: c.ListenAddrs()})
	send(s, 0, "k", "fits")
	send(s, 0, "k", strings.Repeat("x", 2<<20))
	send(s, 0, "k", "fits too")
	flush(t, s)
	cs := checkSums(t, s.Counters())
	if cs.Delivered != 2 || cs.LostBy[TooLarge] != 1 {
		t.Errorf("counters %+v", cs)
	}
	if st := s.Status(); !st.Up || !errors.Is(st.Err, kerr.MessageTooLarge) {
		t.Errorf("status %v", st)
	}
}

func TestKafkaConfigErrors(t *testing.T) {
	topics := []Topic{{Name: testTopic}}
	for name, cfg := range map[string]KafkaConfig{
		"no brokers":  {Topics: topics},
		"no topics":   {Brokers: []string{"127.0.0.1:9092"}},
		"compression": {Brokers: []string{"127.0.0.1:9092"}, Topics: topics, Compression: "brotli"},
		"broker":      {Brokers: []string{"[::"}, Topics: topics},
	} {
		if s, err := NewKafka(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
			s.Close()
		}
	}
}
