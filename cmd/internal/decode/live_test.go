package decode

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
)

// TestLive decodes a capture whose writer goes on, and then ends it as Ctrl-C does.
func TestLive(t *testing.T) {
	c := newTape(t)
	scenes["templates"](c)
	want, _, err := decode(t, c.buf.Bytes(), Options{Format: Text, Records: AllRecords})
	if err != nil {
		t.Fatal(err)
	}
	packets, _, _ := strings.Cut(want, "\nsummary\n")

	in, capture := io.Pipe()
	shown, out := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := Run(ctx, in, out, Options{Format: Text, Records: AllRecords})
		out.Close()
		ended <- err
	}()
	go capture.Write(c.buf.Bytes()) // and nothing more, nor an end
	var got bytes.Buffer
	buf := make([]byte, 1<<16)
	for stopped := false; ; {
		n, err := shown.Read(buf)
		if got.Write(buf[:n]); err != nil {
			break
		}
		if first, _, _ := strings.Cut(packets, "\n"); !stopped && strings.Contains(got.String(), first) {
			cancel()
			stopped = true
		}
	}
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	if !strings.Contains(got.String(), "summary\n  packets    4,") {
		t.Errorf("no summary of all:\n%s", &got)
	}
	capture.Close() // for the read that was left behind
}

func TestPacketsOfOtherKindsAreCounted(t *testing.T) {
	c := newTape(t)
	scenes["held"](c)
	icmp := []byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 8, 0, 0, 0, 0, 0, 0, 0}
	if err := c.w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(1, 0), CaptureLength: len(icmp), Length: len(icmp)}, icmp); err != nil {
		t.Fatal(err)
	}
	out, sum, err := decode(t, c.buf.Bytes(), Options{Format: Text})
	if err != nil || sum.Skipped.Other != 1 || !strings.Contains(out, "\n  other      1 packets") {
		t.Errorf("%v, %+v in\n%s", err, sum.Skipped, out)
	}
}
