package bgp

import "fmt"

// ASWidth says how many octets an AS number takes in AS_PATH and AGGREGATOR.
type ASWidth uint8

// The widths of AS numbers. The likely ones give way when AS_PATH makes sense in the other width only: BMP promises four
// octets unless its A flag says otherwise, and not every router keeps that.
const (
	AS4       ASWidth = iota // four octets (RFC 6793)
	AS2                      // two octets; AS4_PATH is merged
	ASLikely4                // four, also when both widths make sense
	ASLikely2                // two, also when both widths make sense
)

// AS_PATH segment types (RFC 4271 section 4.3, RFC 5065 section 3).
const (
	segSet       = 1
	segSequence  = 2
	segConfedSeq = 3
	segConfedSet = 4
)

// segment is a run of AS numbers in AS_PATH or AS4_PATH.
type segment struct {
	typ uint8
	as  []uint32
}

// length is what the segment adds to the path length of the decision process.
func (s segment) length() int {
	switch s.typ {
	case segSequence:
		return len(s.as)
	case segSet:
		return 1
	}
	return 0
}

func pathLength(path []segment) int {
	n := 0
	for _, s := range path {
		n += s.length()
	}
	return n
}

// splitSegments checks that value consists of whole segments with AS numbers of width octets, and calls f with each,
// header included. A segment without AS numbers is malformed (RFC 7606 section 7.2).
func splitSegments(value []byte, width int, f func(seg []byte) error) error {
	for len(value) > 0 {
		if len(value) < 2 {
			return fmt.Errorf("as path segment header cut: %w", ErrAttribute)
		}
		typ, count := value[0], int(value[1])
		size := 2 + count*width
		if typ < segSet || typ > segConfedSet || count == 0 || len(value) < size {
			return fmt.Errorf("as path segment type %d with %d numbers: %w", typ, count, ErrAttribute)
		}
		if f != nil {
			if err := f(value[:size:size]); err != nil {
				return err
			}
		}
		value = value[size:]
	}
	return nil
}

// resolveWidth decides on a width. A path that makes sense in both, which takes two segments and bad luck, is read in
// the likely one; AS4_PATH speaks for two octets, since a sender of four has no use for it.
func resolveWidth(w ASWidth, path []byte, hasAS4Path bool) (width int, guessed bool) {
	switch w {
	case AS2:
		return 2, false
	case AS4:
		return 4, false
	case ASLikely4, ASLikely2:
	}
	likely := 4
	if w == ASLikely2 || hasAS4Path {
		likely = 2
	}
	if len(path) > 0 && splitSegments(path, likely, nil) != nil && splitSegments(path, 6-likely, nil) == nil {
		likely = 6 - likely
	}
	return likely, len(path) > 0 && (likely == 2) != (w == ASLikely2)
}

// mergeAS4 rebuilds the path of four-octet numbers from AS_PATH with two octets and AS4_PATH (RFC 6793 section 4.2.3):
// the head of path that as4 lacks, then as4. Confederation segments are dropped on the way, no caller wants them.
func mergeAS4(path, as4 []segment) []segment {
	missing := pathLength(path) - pathLength(as4)
	if len(as4) == 0 || missing < 0 {
		return path
	}
	var out []segment
	for _, s := range path {
		n := s.length()
		if n == 0 {
			continue
		}
		if missing == 0 {
			break
		}
		if n > missing { // only a sequence can be longer than 1
			s.as, n = s.as[:missing], missing
		}
		missing -= n
		out = append(out, s)
	}
	return append(out, as4...)
}

// setPath stores the path in its flat form.
func (a *Attributes) setPath(path []segment) {
	a.PathLength = uint16(min(pathLength(path), 1<<16-1))
	var seq, set int
	for _, s := range path {
		switch s.typ {
		case segSequence:
			seq += len(s.as)
		case segSet:
			set += len(s.as)
		}
	}
	if seq > 0 {
		a.ASPath = make([]uint32, 0, seq)
	}
	if set > 0 {
		a.ASSet = make([]uint32, 0, set)
	}
	for _, s := range path {
		switch s.typ {
		case segSequence:
			a.ASPath = append(a.ASPath, s.as...)
		case segSet:
			a.ASSet = append(a.ASSet, s.as...)
		}
	}
}
