package decode

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/telcol/telcol/cmd/internal/pcapfile"
	"github.com/telcol/telcol/collector/record"
	"github.com/telcol/telcol/ipfix"
)

// Run decodes a capture and writes what it holds, then the option tables, the BGP peers and a summary. A file that stops short is an error,
// after everything before was shown; malformed messages are not, they are shown. A capture without messages is ErrNothing. The end of ctx is
// an end of the capture, as of one that is still being written. What was read is written before more is waited for.
func Run(ctx context.Context, capture io.Reader, out io.Writer, o Options) (Summary, error) {
	if err := o.Validate(); err != nil {
		return Summary{}, err
	}
	if o.Model == nil {
		var err error
		if o.Model, err = ipfix.NewModel(); err != nil {
			return Summary{}, err
		}
	}
	buffered := bufio.NewWriterSize(out, 1<<16)
	packets, err := pcapfile.NewReader(&live{ctx: ctx, in: capture, out: buffered})
	if err != nil {
		return Summary{}, err
	}
	d := &decoder{
		o: &o, out: newPrinter(&o, buffered), encoder: record.NewEncoder(0, record.WithRouteCache(0)),
		devices: make(map[deviceKey]*device), streams: make(map[streamKey]*stream),
	}
	err = d.read(ctx, packets)
	d.end(packets.Skipped())
	if flushed := buffered.Flush(); flushed != nil {
		return d.sum, fmt.Errorf("write: %w", flushed)
	}
	if err == nil && d.sum.Messages+d.sum.Malformed+d.sum.BMP.Messages == 0 {
		err = fmt.Errorf("%w in %d packets", ErrNothing, d.sum.all())
	}
	return d.sum, err
}

// read reads the capture to its end.
func (d *decoder) read(ctx context.Context, packets *pcapfile.Reader) error {
	for {
		p, err := packets.Next()
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		d.packet(&p)
		if d.out.err != nil {
			return fmt.Errorf("write: %w", d.out.err)
		}
	}
}
