package collector

import (
	"context"
	"log/slog"
	"strconv"

	"github.com/telcol/telcol/collector/record"
	"github.com/telcol/telcol/collector/sink"
)

// TopicFlow is the index of the flow topic among the sink's topics.
const TopicFlow = 0

// Sink takes encoded records. Get and Send are for one goroutine and never block; all others may be called by any. Every record
// given to Send is in exactly one of its counters.
type Sink interface {
	Get() *sink.Item
	Send(topic int, it *sink.Item)
	Flush(ctx context.Context) error
	Close()
	Status() string
	Counters() []sink.Counters
}
