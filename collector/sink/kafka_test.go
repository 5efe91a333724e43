package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(brokerEnv) != "" {
		runBroker()
	}
	goleak.VerifyTestMain(m)
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

// flush fails the test unless all is delivered within ten seconds.
func flush(t testing.TB, s *Kafka) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Flush(ctx); err != nil {
		t.Fatalf("%v; %v; %+v", err, s.Status(), s.Counters())
	}
}

// until polls for something that another goroutine brings about.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(15 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
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
	for limit := 20 * time.Second; ; limit = 300 * time.Millisecond {
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

// A window far smaller than the load sends nearly every record through the line and the pump.
func TestKafkaKeepsOrderThroughTheLine(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(3, testTopic))
	s := newKafka(t, KafkaConfig{Brokers: c.ListenAddrs(), Linger: -1, BufferBytes: 64 << 20})
	s.mu.Lock()
	s.window = 20 << 10
	s.mu.Unlock()
	const keys, per = 20, 500
	sendNumbered(s, keys, 0, per)
	flush(t, s)
	checkOrder(t, readTopic(t, c.ListenAddrs(), testTopic, keys*per), keys, per)
}

// freePort returns a port that a broker can come back to.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestKafkaBrokerComesLate(t *testing.T) {
	port := freePort(t)
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
	port, dir := freePort(t), t.TempDir()
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

func TestKafkaFullDropsOldest(t *testing.T) {
	port := freePort(t)
	s := newKafka(t, KafkaConfig{Brokers: []string{fmt.Sprintf("127.0.0.1:%d", port)}, BufferBytes: 1 << 20})
	const sent = 5000
	sendNumbered(s, 1, 0, sent)
	c := checkSums(t, s.Counters())
	if c.LostBy[BufferFull] == 0 || c.TotalLost() != c.LostBy[BufferFull] || s.Counters()[0].WaitingBytes > 1<<20 {
		t.Fatalf("counters %+v", s.Counters()[0])
	}
	kc := cluster(t, kfake.Ports(port), kfake.SeedTopics(1, testTopic))
	flush(t, s)
	recs := readTopic(t, kc.ListenAddrs(), testTopic, int(c.Waiting))
	first := int(c.LostBy[BufferFull])
	for i, r := range recs {
		if got := strings.TrimSpace(string(r.Value)); got != strconv.Itoa(first+i) {
			t.Fatalf("record %d is %s, want %d: the oldest were to go", i, got, first+i)
		}
	}
	if len(recs) != sent-first {
		t.Errorf("got %d records, want %d", len(recs), sent-first)
	}
}

// Memory is charged as it is used: a small record must not cost what a large one does.
func TestKafkaChargesWhatIsUsed(t *testing.T) {
	for _, size := range []int{100, 1100, 20_000} {
		s := newKafka(t, KafkaConfig{Brokers: []string{fmt.Sprintf("127.0.0.1:%d", freePort(t))}})
		const records = 1000
		for range records {
			it := s.Get()
			for range size / 10 { // as an encoder does, in small steps
				it.Value = append(it.Value, "0123456789"...)
			}
			s.Send(0, it)
		}
		per := int(s.Counters()[0].WaitingBytes) / records
		if limit := size*3/2 + 600; per < size || per > limit {
			t.Errorf("a record of %d octets costs %d, want at most %d", size, per, limit)
		}
	}
}

// A topic that cannot be had does not hold up another, and the memory it takes is given up when the other needs it.
func TestKafkaTopicsAreIndependent(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, testTopic))
	s := newKafka(t, KafkaConfig{
		Brokers: c.ListenAddrs(), BufferBytes: 1 << 20, Topics: []Topic{{Name: testTopic}, {Name: "absent"}},
	})
	for range 3000 {
		send(s, 1, "k", "waits for ever")
	}
	for i := range 3000 {
		send(s, 0, "k", strconv.Itoa(i))
		if i%500 == 0 {
			flushTopic(t, s, 0)
		}
	}
	flushTopic(t, s, 0)
	cs := s.Counters()
	checkSums(t, cs)
	if cs[0].Delivered != 3000 || cs[1].Delivered != 0 || cs[1].LostBy[BufferFull] == 0 || cs[1].Waiting == 0 {
		t.Errorf("counters %+v", cs)
	}
	if st := s.Status(); st.Up || !errors.Is(st.Err, ErrNoTopic) || !strings.Contains(st.Err.Error(), "absent") {
		t.Errorf("status %v", st)
	}
}

func flushTopic(t testing.TB, s *Kafka, topic int) {
	t.Helper()
	until(t, "delivery", func() bool { return s.Counters()[topic].Waiting == 0 })
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

func TestKafkaFlushDeadline(t *testing.T) {
	for _, tc := range []struct {
		name string
		opts []kfake.Opt
		stop bool // the broker holds all answers to produce requests back
	}{
		{"no topic", nil, false},
		{"broker does not answer", []kfake.Opt{kfake.SeedTopics(1, testTopic)}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := cluster(t, tc.opts...)
			hold := make(chan struct{})
			if tc.stop {
				c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
					c.KeepControl()
					c.SleepControl(func() { <-hold })
					return nil, nil, false
				})
			}
			defer close(hold)
			s := newKafka(t, KafkaConfig{Brokers: c.ListenAddrs(), BufferBytes: 4 << 20})
			if tc.stop {
				until(t, "the broker", func() bool { return s.Status().Up })
			}
			sendNumbered(s, 10, 0, 100)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			start := time.Now()
			if err := s.Flush(ctx); !errors.Is(err, ErrUndelivered) {
				t.Errorf("flush: %v", err)
			}
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("flush took %v", took)
			}
			send(s, 0, "k", "too late")
			if cs := checkSums(t, s.Counters()); cs.LostBy[Stopped] != 1001 || cs.Waiting != 0 {
				t.Errorf("counters %+v", cs)
			}
		})
	}
}

func TestKafkaCloseCounts(t *testing.T) {
	s := newKafka(t, KafkaConfig{Brokers: []string{fmt.Sprintf("127.0.0.1:%d", freePort(t))}})
	sendNumbered(s, 1, 0, 10)
	s.Close()
	s.Close()
	if cs := checkSums(t, s.Counters()); cs.LostBy[Stopped] != 10 {
		t.Errorf("counters %+v", cs)
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

// The values are of Kafka's own Utils.murmur2, by way of its documentation of keyed partitions and the client library's twin.
func TestMurmur2EqualsTheClients(t *testing.T) {
	theirs := kgo.StickyKeyPartitioner(nil).ForTopic("")
	for n := range 40 {
		key := bytes.Repeat([]byte{0xf1}, n)
		for i := range key {
			key[i] += byte(i * 37)
			const partitions = 1 << 20
			r := &kgo.Record{Key: key}
			if got, want := byKey().ForTopic("").Partition(r, partitions), theirs.Partition(r, partitions); got != want {
				t.Fatalf("key %x: partition %d, want %d", key, got, want)
			}
		}
	}
}

func TestKafkaAllocatesNothing(t *testing.T) {
	s := newKafka(t, KafkaConfig{Brokers: []string{fmt.Sprintf("127.0.0.1:%d", freePort(t))}})
	// Without a broker every record goes into the line; taken out again there is a steady state without the client's batches.
	value := bytes.Repeat([]byte("x"), 400)
	avg := testing.AllocsPerRun(1000, func() {
		it := s.Get()
		it.Key, it.Value = append(it.Key, "192.0.2.1"...), append(it.Value, value...)
		s.Send(0, it)
		s.mu.Lock()
		if it := s.lanes[0].line.pop(); it != nil {
			s.held -= it.cost
			s.lanes[0].LostBy[Failed]++
			s.free.put(it)
		}
		s.mu.Unlock()
	})
	if avg != 0 {
		t.Errorf("%v allocations per record", avg)
	}
}
