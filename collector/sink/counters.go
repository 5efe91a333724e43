package sink

import (
	"errors"
	"iter"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Reason says why a record was lost.
type Reason uint8

// Reasons of losses.
const (
	BufferFull Reason = iota // memory was full and the record the oldest that waited
	Stopped                  // the sink was stopped before it could be delivered; a record that was on its way may have arrived all the same
	TooLarge                 // longer than a broker takes
	Refused                  // the user of the connection may not write to the topic
	Failed                   // refused by a broker for another reason that no repetition can cure
	WriteError               // the output could not be written
	reasons
)

// String returns the reason as it is told in metrics.
func (r Reason) String() string {
	return [reasons]string{"buffer-full", "stopped", "too-large", "refused", "failed", "write-error"}[r]
}

// reasonOf sorts what the client says of a record that it gave up.
func reasonOf(err error) Reason {
	switch {
	case errors.Is(err, kgo.ErrClientClosed), errors.Is(err, kgo.ErrAborting):
		return Stopped
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return TooLarge
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed),
		errors.Is(err, kerr.SaslAuthenticationFailed):
		return Refused
	}
	return Failed
}

// Counters tells what became of the records of one topic. Accepted = Delivered + Waiting + the sum of LostBy, always.
type Counters struct {
	Topic          string
	Accepted       uint64 // given to Send
	AcceptedBytes  uint64 // their keys and values
	Delivered      uint64 // acknowledged by the brokers, or written
	DeliveredBytes uint64
	Waiting        uint64          // in memory, on the way or not yet
	WaitingBytes   uint64          // memory that they occupy
	LostBy         [reasons]uint64 // index is the Reason

	// Batches, BatchBytes and WireBytes tell how well records travel together: batches acknowledged, the bytes of their records and the same
	// after compression. Kafka only.
	Batches, BatchBytes, WireBytes uint64
}

// Lost yields every reason with its count, also those that never happened.
func (c *Counters) Lost() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for r, n := range c.LostBy {
			if !yield(Reason(r).String(), n) {
				return
			}
		}
	}
}

// TotalLost returns the sum over all reasons.
func (c *Counters) TotalLost() uint64 {
	var sum uint64
	for _, n := range c.LostBy {
		sum += n
	}
	return sum
}

// took counts a record that was given to Send.
func (c *Counters) took(it *Item) {
	c.Accepted++
	c.AcceptedBytes += uint64(len(it.Key) + len(it.Value))
}
