package collector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"syscall"

	"github.com/telcol/telcol/collector/record"
	"github.com/telcol/telcol/collector/sink"
)

// The indices of the topics among the sink's. The sink has the second one when there are events to publish.
const (
	TopicFlow = 0
	TopicBMP  = 1
)

// Sink takes encoded records. Get and Send are for TopicFlow, are called by the owner goroutine and never block; the others may be
// called by any. Every record given to Send, or taken by Offer, is in exactly one of the counters.
type Sink interface {
	Get() *sink.Item
	Send(topic int, it *sink.Item)

	// For TopicBMP, whose memory is its own; see sink.Kafka.
	GetAll(items []*sink.Item)
	Release(items []*sink.Item)
	Offer(topic int, items []*sink.Item) int
	HasRoom(topic int) bool
	Room(ctx context.Context, topic int) error

	Flush(ctx context.Context) error
	Close()
	Status() sink.Status
	Counters() []sink.Counters
}

func newSink(cfg *Config, env Env, log *slog.Logger) (Sink, error) {
	topics := topicsOf(cfg)
	if cfg.Sink == SinkStdout {
		out := sink.StdoutConfig{}
		for _, t := range topics {
			out.Topics, out.Limits = append(out.Topics, t.Name), append(out.Limits, t.Limit)
		}
		return sink.NewStdout(env.Stdout, out), nil
	}
	if cfg.Kafka.SASL == sink.SASLPlain && !cfg.Kafka.TLS {
		log.Warn("the password goes to the brokers in clear text: kafka.sasl PLAIN is meant for kafka.tls on")
	}
	k, err := sink.NewKafka(sink.KafkaConfig{
		Brokers: cfg.Kafka.Brokers, Topics: topics, ClientID: fmt.Sprintf("telcol-%s-%d", cfg.Group, cfg.Slot),
		CreateTopics: cfg.Kafka.CreateTopics, Partitions: cfg.Kafka.Partitions, Replication: cfg.Kafka.Replication,
		Compression: cfg.Kafka.Compression, Linger: orOff(cfg.Kafka.Linger), BufferBytes: cfg.Kafka.BufferBytes, Log: log,
		Security: cfg.Kafka.security(),
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return k, nil
}

// reader is the standard output of a worker, which ends when nobody reads it any more, as head does after some lines.
type reader struct {
	out  io.Writer
	lost chan<- error
}

// errNoReader says why such a worker ends.
var errNoReader = errors.New("standard output has lost its reader, the worker ends")

// Write writes to the output.
func (r *reader) Write(b []byte) (int, error) {
	n, err := r.out.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		select {
		case r.lost <- errNoReader:
		default:
		}
	}
	return n, err
}

func topicsOf(cfg *Config) []sink.Topic {
	topics := []sink.Topic{TopicFlow: {Name: cfg.Kafka.TopicFlow, Headers: headers(cfg, record.SchemaText)}}
	if cfg.events() != EventsOff {
		topics = append(topics, sink.Topic{
			Name: cfg.Kafka.TopicBMP, Headers: headers(cfg, record.EventSchemaText), Limit: cfg.BMP.EventsBuffer,
		})
	}
	return topics
}

func headers(cfg *Config, schema string) []sink.Header {
	return []sink.Header{
		{Key: "schema", Value: []byte(schema)},
		{Key: "content-type", Value: []byte(record.ContentTypeJSON)},
		{Key: "slot", Value: strconv.AppendInt(nil, int64(cfg.Slot), 10)},
	}
}

// sinkLost sums the records lost over all topics and reasons.
func sinkLost(s Sink) (n uint64) {
	for _, c := range s.Counters() {
		n += c.TotalLost()
	}
	return n
}
