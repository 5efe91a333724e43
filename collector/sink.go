package collector

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/telcol/telcol/collector/record"
	"github.com/telcol/telcol/collector/sink"
)

// TopicFlow is the index of the flow topic among the sink's topics.
const TopicFlow = 0

// Sink takes encoded records. Get and Send are called by the owner goroutine and never block; the others may be called by
// any. Every record given to Send is in exactly one of the counters.
type Sink interface {
	Get() *sink.Item
	Send(topic int, it *sink.Item)
	Flush(ctx context.Context) error
	Close()
	Status() sink.Status
	Counters() []sink.Counters
}

func newSink(cfg *Config, env Env, log *slog.Logger) (Sink, error) {
	topics := []sink.Topic{TopicFlow: {Name: cfg.Kafka.TopicFlow, Headers: []sink.Header{
		{Key: "schema", Value: strconv.AppendInt(nil, record.Schema, 10)},
		{Key: "content-type", Value: []byte(record.ContentTypeJSON)},
		{Key: "slot", Value: strconv.AppendInt(nil, int64(cfg.Slot), 10)},
	}}}
	if cfg.Sink == SinkStdout {
		return sink.NewStdout(env.Stdout, sink.StdoutConfig{Topics: []string{TopicFlow: cfg.Kafka.TopicFlow}}), nil
	}
	k, err := sink.NewKafka(sink.KafkaConfig{
		Brokers: cfg.Kafka.Brokers, Topics: topics, ClientID: fmt.Sprintf("telcol-%s-%d", cfg.Group, cfg.Slot),
		CreateTopics: cfg.Kafka.CreateTopics, Partitions: cfg.Kafka.Partitions, Replication: cfg.Kafka.Replication,
		Compression: cfg.Kafka.Compression, Linger: cfg.Kafka.Linger, BufferBytes: cfg.Kafka.BufferBytes, Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return k, nil
}

// sinkLost sums the records lost over all topics and reasons.
func sinkLost(s Sink) (n uint64) {
	for _, c := range s.Counters() {
		n += c.TotalLost()
	}
	return n
}
