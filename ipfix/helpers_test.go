package ipfix

import (
	"testing"
)

// export is the export time of messages in tests.
const export = int64(1_700_000_000e9)

func newTestSession(tb testing.TB, cfg Config) *Session {
	tb.Helper()
	m, err := NewModel()
	if err != nil {
		tb.Fatal(err)
	}
	return NewSession(m, cfg, nil)
}

// finish ends a message and fails the test if it cannot be.
func finish(tb testing.TB, b *Builder) []byte {
	tb.Helper()
	msg, err := b.Finish()
	if err != nil {
		tb.Fatal(err)
	}
	return msg
}
