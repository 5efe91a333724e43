package sink

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
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
	for _, create := range []bool{false, true} {
		t.Run(fmt.Sprint(create), func(t *testing.T) {
			topic := fmt.Sprintf("telcol.test.again.%d", time.Now().UnixNano())
			s := newKafka(t, KafkaConfig{Brokers: brokers, CreateTopics: true, Partitions: 3, Topics: []Topic{{Name: topic}}})
			until(t, "the topic", func() bool { return s.Status().Up })
			s.Close()
			recreated(t, brokers, topic, create)
		})
	}
}

func recreated(t *testing.T, brokers []string, topic string, create bool) {
	s := newKafka(t, KafkaConfig{
		Brokers: brokers, Linger: time.Millisecond, CreateTopics: create, Partitions: 5, Topics: []Topic{{Name: topic}},
	})
	admin := newKafka(t, KafkaConfig{Brokers: brokers, Topics: []Topic{{Name: topic}}}).admin
	const keys = 20
	numbered := func(from, to int) {
		for n := from; n < to; n++ {
			for k := range keys {
				send(s, 0, fmt.Sprintf("198.51.100.%d", k), fmt.Sprintf("%-100d", n))
			}
		}
	}
	for range 100 { // in the topic that goes
		send(s, 0, "198.51.100.1", "old")
	}
	flush(t, s)
	if _, err := admin.DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	numbered(0, 100)
	if !create {
		until(t, "the topic to be gone", func() bool {
			all, err := admin.ListTopics(t.Context(), topic)
			return err == nil && !all.Has(topic)
		})
		numbered(100, 200)
		if _, err := admin.CreateTopic(t.Context(), 5, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	} else {
		numbered(100, 200)
	}
	numbered(200, 300)
	until(t, "delivery to the new topic", func() bool {
		s.lookNow() // which takes half a minute otherwise
		return s.Counters()[0].Waiting == 0
	})
	numbered(300, 400)
	flush(t, s)

	recs := readTopic(t, brokers, topic, keys*400)
	checkOrder(t, recs, keys, 400)
	if sum := checkSums(t, s.Counters()); sum.TotalLost() != 0 || sum.Delivered != 100+keys*400 {
		t.Errorf("delivered %d, lost %v", sum.Delivered, sum.LostBy)
	}
	if st := s.Status(); !st.Up {
		t.Errorf("status %v", st)
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
