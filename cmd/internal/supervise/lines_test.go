package supervise

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	var b bytes.Buffer
	out := NewOutput(&b)
	l := &lines{out: out, prefix: "[3] "}
	for _, piece := range []string{"one\ntw", "o\n", `{"msg":"three"}` + "\n", "\n", "fo", "ur"} {
		l.Write([]byte(piece))
	}
	plain := &lines{out: out}
	plain.Write([]byte("{}\nre"))
	l.flush()
	l.flush()
	plain.Write([]byte("cord\n"))
	if want := "[3] one\n[3] two\n{\"msg\":\"three\"}\n[3] \n{}\n[3] four\nrecord\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestLongLine(t *testing.T) {
	var b bytes.Buffer
	l := &lines{out: NewOutput(&b)}
	for range 3 {
		l.Write([]byte(strings.Repeat("x", maxLine/2)))
	}
	if b.Len() != maxLine || len(l.rest) != maxLine/2 {
		t.Errorf("%d octets passed on, %d kept", b.Len(), len(l.rest))
	}
}

// TestLinesThatFail tells of records that cannot be written, and not of a log.
func TestLinesThatFail(t *testing.T) {
	records := &lines{out: NewOutput(broken{}), fails: true}
	if _, err := records.Write([]byte("{}\n")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("records: %v", err)
	}
	log := &lines{out: NewOutput(broken{}), prefix: "0 "}
	if n, err := log.Write([]byte("line\n")); n != 5 || err != nil {
		t.Errorf("log: %d, %v", n, err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
