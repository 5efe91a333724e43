package bgp

import (
	"slices"
	"testing"
)

func TestResolveWidth(t *testing.T) {
	// both is whole in two octets, 1 2 and 3 in two sequences, and in four, 65538 33619971 in one.
	const both = "0202 0001 0002 0201 0003"
	tests := []struct {
		name    string
		path    string
		width   ASWidth
		as4path bool
		want    int
		guessed bool
	}{
		{name: "four octets", path: "0202 0000fbf0 0000fbf1", width: ASLikely4, want: 4},
		{name: "two octets although four are likely", path: "0201 fde8", width: ASLikely4, want: 2, guessed: true},
		{name: "four octets although two are likely", path: "0201 0000fde8", width: ASLikely2, want: 4, guessed: true},
		{name: "two octets", path: "0202 fde8 fde9", width: ASLikely2, want: 2},
		{name: "strict two", path: "0201 0000fde8", width: AS2, want: 2},
		{name: "strict four", path: "0201 fde8", width: AS4, want: 4},
		{name: "broken in both stays likely", path: "0505 01", width: ASLikely4, want: 4},
		{name: "empty", path: "", width: ASLikely4, want: 4},
		{name: "ambiguous, four likely", path: both, width: ASLikely4, want: 4},
		{name: "ambiguous, two likely", path: both, width: ASLikely2, want: 2},
		{name: "ambiguous, as4_path there", path: both, width: ASLikely4, as4path: true, want: 2, guessed: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, guessed := resolveWidth(tt.width, unhex(t, tt.path), tt.as4path)
			if got != tt.want || guessed != tt.guessed {
				t.Errorf("got %d, %v; want %d, %v", got, guessed, tt.want, tt.guessed)
			}
		})
	}
}

func TestMergeAS4(t *testing.T) {
	seq := func(as ...uint32) segment { return segment{segSequence, as} }
	set := func(as ...uint32) segment { return segment{segSet, as} }
	tests := []struct {
		name      string
		path, as4 []segment
		want      []uint32
		wantSet   []uint32
	}{
		{name: "no as4_path", path: []segment{seq(1, asTrans, 3)}, want: []uint32{1, asTrans, 3}},
		{name: "same length", path: []segment{seq(1, asTrans)}, as4: []segment{seq(1, 70000)}, want: []uint32{1, 70000}},
		{
			name: "head prepended by old speakers", path: []segment{seq(5, 4, asTrans, asTrans)},
			as4: []segment{seq(70000, 70001)}, want: []uint32{5, 4, 70000, 70001},
		},
		{
			name: "as4_path longer is ignored", path: []segment{seq(5)}, as4: []segment{seq(70000, 70001)}, want: []uint32{5},
		},
		{
			name: "set counts one", path: []segment{seq(5, asTrans), set(1, 2)}, as4: []segment{seq(70000), set(1, 2)},
			want: []uint32{5, 70000}, wantSet: []uint32{1, 2},
		},
		{
			name: "confederations are not counted", path: []segment{{segConfedSeq, []uint32{65000, 65001}}, seq(5, asTrans)},
			as4: []segment{seq(70000)}, want: []uint32{5, 70000},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var a Attributes
			a.setPath(mergeAS4(tt.path, tt.as4))
			if !slices.Equal(a.ASPath, tt.want) || !slices.Equal(a.ASSet, tt.wantSet) {
				t.Errorf("got %v %v, want %v %v", a.ASPath, a.ASSet, tt.want, tt.wantSet)
			}
		})
	}
}
