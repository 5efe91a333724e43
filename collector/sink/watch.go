package sink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	lookTimeout  = 3 * time.Second  // for one question to the brokers; also how long it takes to know that none is there
	makeTimeout  = 15 * time.Second // for the creation of a topic
	lookInterval = 30 * time.Second // between questions while all is well
	stallAfter   = 10 * time.Second // without an acknowledgement, while records are on their way
	stallCheck   = 2 * time.Second
	alarmPause   = 500 * time.Millisecond // between a sign of trouble and the question
	minLook      = 100 * time.Millisecond // between questions when it is not, doubling
	maxLook      = 5 * time.Second
)

// Reasons why a topic takes no records, as told by Status.
var (
	ErrNoBroker  = errors.New("no broker answers")
	ErrNoTopic   = errors.New("topic does not exist and creating topics is off (create it, or allow it with create-topics)")
	ErrForbidden = errors.New("topic is not allowed for this user")
	ErrStalled   = errors.New("brokers answer, but acknowledge none of the records on their way (a leader is stuck, or too few replicas are in sync)")
	ErrCreate    = errors.New("topic does not exist and could not be created")
	errSilent    = fmt.Errorf("one is connected and says nothing for %v", lookTimeout)
	errPending   = errors.New("topic was created and has no leader yet")
)

// watch looks at the brokers and topics until ctx ends: at once when something seems wrong, else rarely. It opens the lanes of topics
// that are there and creates those that are not.
func (s *Kafka) watch(ctx context.Context) {
	pause := minLook
	for {
		err := s.look(ctx)
		if ctx.Err() != nil {
			return
		}
		s.note(err)
		wait := lookInterval
		if err != nil {
			wait = pause
			pause = min(2*pause, maxLook)
		} else {
			pause = minLook
		}
		if !s.rest(ctx, wait, err == nil) {
			return
		}
	}
}

// rest waits until it is time to look again; while all was well an alarm ends the wait early. It reports false when ctx ended.
func (s *Kafka) rest(ctx context.Context, wait time.Duration, alarm bool) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	check := s.check
	if !alarm {
		check = nil
	}
	stalls := time.NewTicker(stallCheck)
	defer stalls.Stop()
	for looking := true; looking; {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-stalls.C:
			if alarm && s.stalled(time.Now()) != nil {
				return true
			}
		case <-check:
			looking = false
		}
	}
	// The first sign of trouble is often one of many; let the client see the rest of it too.
	select {
	case <-ctx.Done():
		return false
	case <-time.After(alarmPause):
		return true
	}
}

// lookNow makes the watch look soon.
func (s *Kafka) lookNow() {
	select {
	case s.check <- struct{}{}:
	default:
	}
}

// look asks for the topics, creates missing ones and opens or closes the lanes. It returns the first thing that is wrong.
func (s *Kafka) look(ctx context.Context) error {
	found, err := s.describe(ctx)
	if err != nil {
		return s.noBroker(err)
	}
	s.learnLimits(ctx, found)
	faults := make([]error, len(s.cfg.Topics))
	for i, t := range s.cfg.Topics {
		if faults[i] = topicFault(found[t.Name]); errors.Is(faults[i], ErrNoTopic) && s.cfg.CreateTopics {
			faults[i] = s.create(ctx, t.Name)
		}
		if faults[i] != nil {
			faults[i] = fmt.Errorf("topic %s: %w", t.Name, faults[i])
			continue
		}
		s.renew(ctx, s.lanes[i], found[t.Name].TopicID)
	}
	s.setFaults(faults)
	if err := errors.Join(faults...); err != nil {
		return err
	}
	return s.stalled(time.Now())
}

// stalled returns an error when a topic has records on their way of which none has been acknowledged, or refused, for long.
func (s *Kafka) stalled(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reapLocked()
	for _, l := range s.lanes {
		if l.open && l.sent > 0 && now.Sub(l.moved) >= stallAfter {
			return fmt.Errorf("topic %s: %w", l.topic, ErrStalled)
		}
	}
	return nil
}

// describe asks a broker for the topics. It does not ask by way of kadm, which may answer from the client's memory: a topic just created
// would be missing for a second, and a broker just lost would still be there.
func (s *Kafka) describe(ctx context.Context) (map[string]kmsg.MetadataResponseTopic, error) {
	req := kmsg.NewPtrMetadataRequest()
	for _, t := range s.cfg.Topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = kmsg.StringPtr(t.Name)
		req.Topics = append(req.Topics, rt)
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	resp, err := req.RequestWith(ctx, s.client)
	if err != nil {
		return nil, err
	}
	found := make(map[string]kmsg.MetadataResponseTopic)
	for _, t := range resp.Topics {
		if t.Topic != nil {
			found[*t.Topic] = t
		}
	}
	return found, nil
}

// topicFault returns why a topic takes no records, or nil.
func topicFault(t kmsg.MetadataResponseTopic) error {
	switch err := kerr.ErrorForCode(t.ErrorCode); {
	case err == nil && len(t.Partitions) > 0:
		for _, p := range t.Partitions {
			if p.Leader >= 0 {
				return nil // partitions without a leader are the client's business: their records wait in it
			}
		}
		return errPending
	case err == nil, errors.Is(err, kerr.UnknownTopicOrPartition):
		return ErrNoTopic
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	default:
		return err
	}
}

// create creates a topic. It returns an error also when it worked: the topic is used when the brokers tell of it.
func (s *Kafka) create(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, makeTimeout)
	defer cancel()
	r, err := s.admin.CreateTopic(ctx, s.cfg.Partitions, s.cfg.Replication, s.cfg.TopicConfig, name)
	switch {
	case err == nil:
		s.cfg.Log.Info("topic created", "topic", name, "partitions", r.NumPartitions, "replication", r.ReplicationFactor)
		return errPending
	case errors.Is(err, kerr.TopicAlreadyExists): // another worker was faster
		return errPending
	case r.ErrMessage != "":
		return fmt.Errorf("%w: %w (%s)", ErrCreate, err, r.ErrMessage)
	}
	return fmt.Errorf("%w: %w", ErrCreate, err)
}

// setFaults opens the lanes whose topics are there and keeps the records of the others in their lines.
func (s *Kafka) setFaults(faults []error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, l := range s.lanes {
		l.open = faults[i] == nil
	}
	s.wakePump()
}

// noBroker puts the last connection error into what the client says, which is often no more than that the time is over.
func (s *Kafka) noBroker(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.lastDial != nil && !errors.Is(err, s.lastDial):
		err = s.lastDial
	case errors.Is(err, context.DeadlineExceeded):
		err = errSilent
	}
	return fmt.Errorf("%w: %w", ErrNoBroker, err)
}

// note keeps the outcome of a look and tells the log when it changed.
func (s *Kafka) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	up := err == nil
	changed := s.status.Since.IsZero() || s.status.Up != up
	told := err != nil && (s.status.Err == nil || s.status.Err.Error() != err.Error())
	if changed {
		s.status.Up, s.status.Since = up, time.Now()
		s.status.Err = nil
	}
	if err != nil {
		s.status.Err = err
	}
	switch {
	case changed && up:
		s.cfg.Log.Info("kafka takes records", "waiting", s.waitingLocked())
	case errors.Is(err, errPending): // for a moment only; the next look tells more
	case told:
		s.cfg.Log.Warn("kafka takes no records, keeping them in memory and trying on", "err", err)
	}
}

// hooks are what the client reports to the sink.
type hooks Kafka

var (
	_ kgo.HookBrokerConnect       = (*hooks)(nil)
	_ kgo.HookBrokerDisconnect    = (*hooks)(nil)
	_ kgo.HookProduceBatchWritten = (*hooks)(nil)
)

// OnBrokerConnect keeps the reason why a broker cannot be reached.
func (h *hooks) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	s := (*Kafka)(h)
	s.mu.Lock()
	s.lastDial = err
	s.mu.Unlock()
	if err != nil {
		s.lookNow()
	}
}

// OnBrokerDisconnect lets the watch see whether the others are still there.
func (h *hooks) OnBrokerDisconnect(kgo.BrokerMetadata, net.Conn) { (*Kafka)(h).lookNow() }

// OnProduceBatchWritten counts batches; there are a few hundred a second at most.
func (h *hooks) OnProduceBatchWritten(_ kgo.BrokerMetadata, topic string, _ int32, m kgo.ProduceBatchMetrics) {
	s := (*Kafka)(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lanes {
		if l.topic == topic {
			l.Batches++
			l.BatchBytes += uint64(m.UncompressedBytes)
			l.WireBytes += uint64(m.CompressedBytes)
			return
		}
	}
}
