package sink

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A topic that was deleted comes back as another one. All that was not acknowledged by the old one goes there, in order.
func TestKafkaTopicIsDeletedAndCreatedAgain(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(3, testTopic))
	recreated(t, c.ListenAddrs(), testTopic, false)
}

func TestKafkaTopicIsDeletedAndCreatedAgainByTheSink(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(3, testTopic))
	recreated(t, c.ListenAddrs(), testTopic, true)
}

func TestKafkaRealTopicIsDeletedAndCreatedAgain(t *testing.T) {
	brokers := realKafka(t)
	topic := fmt.Sprintf("telcol.test.again.%d", time.Now().UnixNano())
	s := newKafka(t, KafkaConfig{Brokers: brokers, CreateTopics: true, Partitions: 3, Topics: []Topic{{Name: topic}}})
	until(t, "the topic", func() bool { return s.Status().Up })
	s.Close()
	recreated(t, brokers, topic, false)
}

// recreated plays it. The topic is created by the sink or by somebody else.
func recreated(t *testing.T, brokers []string, topic string, create bool) {
	topics := []Topic{{Name: topic}}
	s := newKafka(t, KafkaConfig{Brokers: brokers, Linger: time.Millisecond, CreateTopics: create, Partitions: 5, Topics: topics})
	admin := newKafka(t, KafkaConfig{Brokers: brokers, Topics: topics}).admin
	const keys, per, old = 20, 400, 100
	for range old {
		send(s, 0, "198.51.100.1", "old")
	}
	flush(t, s)
	if _, err := admin.DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	went := uint64(old) // with the topic
	sendNumbered(s, keys, 0, 100)
	if !create {
		until(t, "the topic to be gone", func() bool {
			all, err := admin.ListTopics(t.Context(), topic)
			return err == nil && !all.Has(topic)
		})
		sendNumbered(s, keys, 100, 200)
		until(t, "the old topic to take no more", func() bool { // Kafka takes some after it has said that the topic is deleted
			went = s.Counters()[0].Delivered
			time.Sleep(200 * time.Millisecond)
			return s.Counters()[0].Delivered == went
		})
		if _, err := admin.CreateTopic(t.Context(), 5, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	} else {
		sendNumbered(s, keys, 100, 200)
	}
	sendNumbered(s, keys, 200, 300)
	until(t, "delivery to the new topic", func() bool {
		s.lookNow() // which takes half a minute otherwise
		return s.Counters()[0].Waiting == 0
	})
	sendNumbered(s, keys, 300, per)
	flush(t, s)

	checkRest(t, readTopic(t, brokers, topic, old+keys*per-int(went)), keys, per)
	if sum := checkSums(t, s.Counters()); sum.TotalLost() != 0 || sum.Delivered != old+keys*per {
		t.Errorf("delivered %d, lost %v", sum.Delivered, sum.LostBy)
	}
	if st := s.Status(); !st.Up {
		t.Errorf("status %v", st)
	}
}

// checkRest fails the test unless the records hold, for each key, numbers up to per-1 in order, each once and none left out.
func checkRest(t *testing.T, recs []*kgo.Record, keys, per int) {
	t.Helper()
	next := make(map[string]int)
	for _, r := range recs {
		key := string(r.Key)
		n, err := strconv.Atoi(strings.TrimSpace(string(r.Value)))
		if want, seen := next[key]; err != nil || seen && n != want {
			t.Fatalf("key %s: got %q, want %d", key, r.Value, want)
		}
		next[key] = n + 1
	}
	for key, n := range next {
		if n != per {
			t.Errorf("key %s: the last is %d, want %d", key, n-1, per-1)
		}
	}
	if len(next) != keys {
		t.Errorf("got %d keys, want %d", len(next), keys)
	}
}

func TestLineMerge(t *testing.T) {
	for _, tc := range []struct{ line, other []uint64 }{
		{nil, []uint64{1, 2}},
		{[]uint64{5, 6}, []uint64{1, 2}},
		{[]uint64{1, 2}, []uint64{5, 6}},
		{[]uint64{1, 4, 9}, []uint64{2, 3, 5}},
		{[]uint64{3}, []uint64{1, 2, 4}},
	} {
		var a, b line
		for _, seq := range tc.line {
			a.push(&Item{seq: seq, cost: 10})
		}
		for _, seq := range tc.other {
			b.push(&Item{seq: seq, cost: 10})
		}
		a.merge(b)
		n := len(tc.line) + len(tc.other)
		if a.n != n || a.bytes != int64(10*n) || a.tail.next != nil {
			t.Errorf("%v: %d items of %d octets", tc, a.n, a.bytes)
		}
		var last uint64
		for ; a.n > 0; n-- {
			it := a.pop()
			if it.seq <= last {
				t.Errorf("%v: %d behind %d", tc, it.seq, last)
			}
			last = it.seq
		}
		if n != 0 || a.head != nil || a.tail != nil {
			t.Errorf("%v: %d items are missing", tc, n)
		}
	}
}
