package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/telcol/telcol/deploy/freeport"
)

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

func TestKafkaFullDropsOldest(t *testing.T) {
	port := freeport.Get(t)
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
		s := newKafka(t, KafkaConfig{Brokers: []string{fmt.Sprintf("127.0.0.1:%d", freeport.Get(t))}})
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
			if took := time.Since(start); took > patience/2 {
				t.Errorf("flush took %v", took)
			}
			if cs := checkSums(t, s.Counters()); cs.TotalLost() != 0 || cs.Waiting != 1000 {
				t.Errorf("before the end: %+v", cs)
			}
			s.Close()
			send(s, 0, "k", "too late")
			if cs := checkSums(t, s.Counters()); cs.LostBy[Stopped] != 1001 || cs.Waiting != 0 {
				t.Errorf("counters %+v", cs)
			}
		})
	}
}

// TestKafkaGoesOnAfterAFlush flushes in vain, as for a takeover that is refused then, and goes on.
func TestKafkaGoesOnAfterAFlush(t *testing.T) {
	c := cluster(t)
	s := newKafka(t, KafkaConfig{Brokers: c.ListenAddrs()})
	sendNumbered(s, 3, 0, 10)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Flush(ctx); !errors.Is(err, ErrUndelivered) {
		t.Errorf("flush: %v", err)
	}
	sendNumbered(s, 3, 10, 20)
	if _, err := s.admin.CreateTopic(t.Context(), 2, 1, nil, testTopic); err != nil {
		t.Fatal(err)
	}
	flush(t, s)
	sendNumbered(s, 3, 20, 30)
	flush(t, s)
	checkOrder(t, readTopic(t, c.ListenAddrs(), testTopic, 90), 3, 30)
	if cs := checkSums(t, s.Counters()); cs.Delivered != 90 {
		t.Errorf("counters %+v", cs)
	}
}

func TestKafkaCloseCounts(t *testing.T) {
	s := newKafka(t, KafkaConfig{Brokers: []string{fmt.Sprintf("127.0.0.1:%d", freeport.Get(t))}})
	sendNumbered(s, 1, 0, 10)
	s.Close()
	s.Close()
	if cs := checkSums(t, s.Counters()); cs.LostBy[Stopped] != 10 {
		t.Errorf("counters %+v", cs)
	}
}

func TestKafkaAllocatesNothing(t *testing.T) {
	s := newKafka(t, KafkaConfig{Brokers: []string{fmt.Sprintf("127.0.0.1:%d", freeport.Get(t))}})
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
