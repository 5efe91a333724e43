package ipfix

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// batched takes flows several at a time, and gives them on one by one when it has seen them all.
type batched struct {
	Handler
	sizes []int
}

func (b *batched) Flows(batch []Flow) {
	b.sizes = append(b.sizes, len(batch))
	for i := range batch {
		b.Flow(&batch[i])
	}
}

// textRecords writes a set of n records with a number and a text of another length each.
func textRecords(b *Builder, template uint16, n int) (records [][]hexField) {
	b.Template(template, fields(7, 2, 82, variableLength)...)
	b.Set(template)
	for i := range n {
		r := []hexField{u(7, 2, uint64(i)), vary(82, fmt.Appendf(nil, "%0*d", i%17, i)...)}
		writeRecord(b, r)
		records = append(records, r)
	}
	return records
}

func TestBatches(t *testing.T) {
	const n = 2*BatchFlows + 5
	var first, second [][]hexField
	msg := buildMessage(t, VersionIPFIX, 0, func(b *Builder) {
		first = textRecords(b, 300, n)
		second = textRecords(b, 301, 3)
	})
	for _, end := range []struct {
		name string
		cut  int // octets of the last record that are missing
		err  error
	}{{name: "whole"}, {"last record cut", 1, ErrRecord}} {
		t.Run(end.name, func(t *testing.T) {
			want := slices.Concat(first, second)
			cut := slices.Clone(msg)
			if end.cut > 0 {
				cut[len(cut)-len(second[2][1].value)-1] += uint8(end.cut) // the length of the last text
				want = want[:len(want)-1]
			}
			s := newTestSession(t, Config{})
			plain, h := &twinHandler{t: t, want: slices.Clone(want)}, &batched{Handler: &twinHandler{t: t, want: slices.Clone(want)}}
			for _, h := range []Handler{plain, h} {
				if err := s.Decode(cut, export, h); !errors.Is(err, end.err) {
					t.Errorf("got error %v, want %v", err, end.err)
				}
			}
			if left := len(plain.want) + len(h.Handler.(*twinHandler).want); left > 0 {
				t.Errorf("%d records missing", left)
			}
			if sizes := []int{BatchFlows, BatchFlows, 5, len(want) - n}; !slices.Equal(h.sizes, sizes) {
				t.Errorf("batches of %v, want %v", h.sizes, sizes)
			}
			if s.DataRecords != uint64(2*len(want)) {
				t.Errorf("%d records counted, want %d", s.DataRecords, 2*len(want))
			}
		})
	}
}

// TestBatchesShared decodes messages of several sessions in turn: nothing of one's flows is in the other's.
func TestBatchesShared(t *testing.T) {
	wide := buildMessage(t, VersionIPFIX, 0, func(b *Builder) {
		b.Template(300, fields(8, 4, 12, 4, 4, 1, 61, 1, 234, 4)...)
		b.Set(300)
		for i := range 10 {
			b.Uint(0xc0000200+uint64(i), 4)
			b.Uint(0xc0000300+uint64(i), 4)
			b.Uint(6, 1)
			b.Uint(1, 1)
			b.Uint(9, 4)
		}
	})
	narrow := buildMessage(t, VersionNetFlow9, 0, func(b *Builder) {
		b.Template(300, fields(7, 2)...)
		b.Set(300)
		for i := range 10 {
			b.Uint(uint64(i), 2)
		}
	})
	one, other := newTestSession(t, Config{}), newTestSession(t, Config{})
	for range 3 {
		decode(t, one, wide)
		for i, f := range decode(t, other, narrow) {
			wantFlow(t, f, Flow{Has: FieldSrcPort, SrcPort: uint16(i)})
			if f.Version != VersionNetFlow9 || f.Options != other.Tables().Domain(7) {
				t.Errorf("flow %d: version %d or options of another session", i, f.Version)
			}
		}
	}
}
