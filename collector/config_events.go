package collector

import "fmt"

// Values of BMPConfig.Events.
const (
	EventsAuto     = "auto"
	EventsOff      = "off"
	EventsSessions = "sessions"
	EventsAll      = "all"
)

// Values of BMPConfig.EventsOverflow.
const (
	OverflowDrop = "drop"
	OverflowSlow = "slow"
)

// events is what BMP.Events means.
func (c *Config) events() string {
	switch {
	case c.BMP.Events != EventsAuto:
		return c.BMP.Events
	case c.Sink == SinkKafka:
		return EventsSessions
	}
	return EventsOff
}

func (c *Config) validateEvents() error {
	switch c.BMP.Events {
	case EventsAuto, EventsOff, EventsSessions, EventsAll:
	default:
		return fmt.Errorf("%w: bmp.events %q is unknown, want off, sessions, all or auto", ErrConfig, c.BMP.Events)
	}
	switch {
	case c.BMP.EventsOverflow != OverflowDrop && c.BMP.EventsOverflow != OverflowSlow:
		return fmt.Errorf("%w: bmp.events-overflow %q is unknown, want drop or slow", ErrConfig, c.BMP.EventsOverflow)
	case c.BMP.EventsBuffer < 1<<20:
		return fmt.Errorf("%w: bmp.events-buffer %d is too small, want at least 1 MiB", ErrConfig, c.BMP.EventsBuffer)
	case c.events() != EventsOff && c.Kafka.TopicBMP == c.Kafka.TopicFlow:
		return fmt.Errorf("%w: kafka.topic-bmp and kafka.topic-flow are both %q, want two topics", ErrConfig, c.Kafka.TopicFlow)
	}
	return nil
}
