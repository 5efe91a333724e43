package sink

import (
	"fmt"
	"time"
)

// Status tells whether records get out.
type Status struct {
	// Up says that the brokers answer and every topic takes records; Since is when that last changed.
	Up    bool
	Since time.Time
	// Err is the reason when Up is false. While Up is true it is the last loss or trouble, if there was any, as a hint for the reader.
	Err error
	// Waiting is how many records are in memory, LastDelivery when one was last acknowledged. Records that wait while nothing is delivered
	// mean trouble even when brokers answer.
	Waiting      uint64
	LastDelivery time.Time
}

// String tells the status in one line.
func (s Status) String() string {
	since := "the start"
	if !s.Since.IsZero() {
		since = s.Since.UTC().Format(time.RFC3339)
	}
	var text string
	switch {
	case s.Up:
		text = "delivers since " + since
	case s.Err == nil:
		text = "no answer yet, " + fmt.Sprint(s.Waiting) + " records wait"
	default:
		text = fmt.Sprintf("does not deliver since %s: %v; %d records wait, trying on", since, s.Err, s.Waiting)
	}
	if s.Up && s.Err != nil {
		text += fmt.Sprintf("; last trouble: %v", s.Err)
	}
	return text
}
