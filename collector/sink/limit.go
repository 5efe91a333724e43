package sink

import (
	"context"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A broker refuses a batch that is longer than the topic's max.message.bytes, all its records together, and the client does not try smaller
// ones: with a topic that takes less than the default, all records of a busy worker would be lost. So the batches are made to fit.
const (
	defaultBatch = 1_000_012 // Kafka's own default, and the client's
	leastBatch   = 512       // the client's own limit
	batchSetting = "max.message.bytes"
)

// batchLimit returns how long a batch of a topic may be, before compression. The client asks when it meets the partitions of a topic.
func (s *Kafka) batchLimit(topic string) int32 {
	for _, l := range s.lanes {
		if n := l.batch.Load(); l.topic == topic && n != 0 {
			return n
		}
	}
	return defaultBatch
}

// learnLimits asks for the limits of topics that are there. A user who may not know them gets the default.
func (s *Kafka) learnLimits(ctx context.Context, found map[string]kmsg.MetadataResponseTopic) {
	var names []string
	for _, l := range s.lanes {
		if topicFault(found[l.topic]) == nil {
			names = append(names, l.topic)
		}
	}
	if len(names) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	all, err := s.admin.DescribeTopicConfigs(ctx, names...)
	if err != nil {
		return
	}
	for _, l := range s.lanes {
		c, err := all.On(l.topic, nil)
		if err != nil || c.Err != nil {
			continue
		}
		for _, kv := range c.Configs {
			if kv.Key == batchSetting {
				s.learnLimit(l, kv.MaybeValue(), found[l.topic].TopicID == l.id)
			}
		}
	}
}

// learnLimit takes a limit into account for what the client does not know yet, which is all of a topic that is another than it was.
func (s *Kafka) learnLimit(l *lane, text string, same bool) {
	v, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return
	}
	n := int32(min(max(v, leastBatch), defaultBatch))
	if was := l.batch.Swap(n); was > n && same {
		s.cfg.Log.Warn("the topic takes shorter batches than before: records are lost as too-large until this worker is replaced or started again",
			"topic", l.topic, batchSetting, v)
	}
}
