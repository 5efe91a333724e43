package sink

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// What fits the topic one by one must not be lost because it travels in company.
func TestKafkaTopicTakesShortBatches(t *testing.T) {
	c := cluster(t)
	shortBatches(t, c.ListenAddrs(), testTopic)
}

func TestKafkaRealTopicTakesShortBatches(t *testing.T) {
	shortBatches(t, realKafka(t), fmt.Sprintf("telcol.test.short.%d", time.Now().UnixNano()))
}

func shortBatches(t *testing.T, brokers []string, topic string) {
	limit := "20000"
	s := newKafka(t, KafkaConfig{
		Brokers: brokers, Linger: 50 * time.Millisecond, CreateTopics: true, Partitions: 2, Replication: 1,
		TopicConfig: map[string]*string{"max.message.bytes": &limit}, Topics: []Topic{{Name: topic}},
	})
	const records = 1000
	for n := range records {
		send(s, 0, fmt.Sprint(n%7), fmt.Sprintf("%-1000d", n))
	}
	send(s, 0, "k", strings.Repeat("x", 20_001))
	flush(t, s)
	if sum := checkSums(t, s.Counters()); sum.Delivered != records || sum.LostBy[TooLarge] != 1 {
		t.Errorf("delivered %d, lost %v", sum.Delivered, sum.LostBy)
	}
	readTopic(t, brokers, topic, records)
}

func TestKafkaBatchLimit(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, testTopic))
	s := newKafka(t, KafkaConfig{Brokers: c.ListenAddrs()})
	until(t, "the topic", func() bool { return s.Status().Up })
	for _, tc := range []struct {
		text string
		want int32
	}{{"", defaultBatch}, {"5000000", defaultBatch}, {"x", defaultBatch}, {"30000", 30_000}, {"0", leastBatch}, {"99999999999", leastBatch}} {
		if s.learnLimit(s.lanes[0], tc.text, true); s.batchLimit(testTopic) != tc.want {
			t.Errorf("%q: %d, want %d", tc.text, s.batchLimit(testTopic), tc.want)
		}
	}
	if n := s.batchLimit("other"); n != defaultBatch {
		t.Errorf("another topic: %d", n)
	}
}
