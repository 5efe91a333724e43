package steering

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Saved is all that decides where devices go and who is let in, as a key file keeps it
// for the next boot and for other hosts:
//
//	telcol steering plan, version 1
//	# a line for people
//	key 000102030405060708090a0b0c0d0e0f
//	slots 5
//	asked 4
//	weight 1 2.5
//	drained 2
//	pin 192.0.2.1 3
//	alias 198.51.100.1 192.0.2.1
//	allow 192.0.2.0/24
//	sha256 (of all octets above)
//
// A file of 32 hexadecimal digits and nothing else holds a key alone.
type Saved struct {
	Key Key
	// Plan is nil where the file holds the key alone.
	Plan *Plan
	// Asked is the number of slots that [Init] was last told; 0 if none. Plan.Slots is
	// another one when the group was resized since.
	Asked int
	// Aliases are those that somebody set, not those that workers told.
	Aliases map[netip.Addr]netip.Addr
	Allowed []netip.Prefix
}

const (
	savedHeader  = "telcol steering plan, version "
	savedVersion = 1
	savedComment = "# Written by telcol steering; whoever knows the key can choose addresses that all fall on one worker.\n"
	savedSum     = "sha256 "

	maxAliases = 65536 // MAX_ALIASES in steer.c
	// maxSavedSize is more than twice what the longest lists take.
	maxSavedSize = 16 << 20
)

// ParseSaved reads a key file. Every octet counts: a file that is cut short or was
// altered is [ErrKeyFile], as is one that could not be a group's plan.
func ParseSaved(text []byte) (*Saved, error) {
	if key, ok := parseKey(string(bytes.TrimSpace(text))); ok {
		return &Saved{Key: key}, nil
	}
	body, err := checkSum(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	r := savedReader{
		seen: map[string]bool{},
		s:    &Saved{Plan: &Plan{Weights: map[int]float64{}, Drained: map[int]bool{}, Pins: map[netip.Addr]int{}}, Aliases: map[netip.Addr]netip.Addr{}},
	}
	n := 1 // the header's
	for line := range strings.Lines(string(body)) {
		n++
		if err := r.line(strings.TrimSuffix(line, "\n")); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrKeyFile, n, err)
		}
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	return r.s, nil
}

func parseKey(text string) (k Key, ok bool) {
	if len(text) != hex.EncodedLen(len(k)) {
		return k, false
	}
	_, err := hex.Decode(k[:], []byte(text))
	return k, err == nil
}

// checkSum returns what is between the header and the sum.
func checkSum(text []byte) ([]byte, error) {
	header, body, _ := bytes.Cut(text, []byte("\n"))
	version, ours := strings.CutPrefix(string(header), savedHeader)
	switch {
	case !ours:
		return nil, fmt.Errorf("it begins neither with %q nor with a key of 32 hexadecimal digits", savedHeader)
	case version != strconv.Itoa(savedVersion):
		return nil, fmt.Errorf("it has version %q, this telcol reads %d", version, savedVersion)
	}
	sumLen := len(savedSum) + hex.EncodedLen(sha256.Size) + 1
	at := len(text) - sumLen
	if len(body) < sumLen || !bytes.HasPrefix(text[at:], []byte(savedSum)) || text[at-1] != '\n' {
		return nil, fmt.Errorf("it has no %sas its last line: cut short?", savedSum)
	}
	if string(text[at:]) != sumLine(text[:at]) {
		return nil, fmt.Errorf("it was altered: the %sin its last line is not that of the rest", savedSum)
	}
	return body[:len(body)-sumLen], nil
}

func sumLine(text []byte) string { return fmt.Sprintf("%s%x\n", savedSum, sha256.Sum256(text)) }

// savedReader takes a file in, line by line.
type savedReader struct {
	s    *Saved
	seen map[string]bool // what has been said, so that nothing is said twice
}

// line takes one line in. Each value has one way to be written, Append's: what looks
// different is different.
func (r *savedReader) line(text string) error {
	if text == "" || text[0] == '#' {
		return nil
	}
	word, rest, _ := strings.Cut(text, " ")
	what, value, _ := strings.Cut(rest, " ")
	id := word
	switch word {
	case "weight", "pin", "alias", "drained", "allow":
		id += " " + what
	}
	if r.seen[id] {
		return fmt.Errorf("%q is there twice", id)
	}
	r.seen[id] = true
	if value != "" && word != "weight" && word != "pin" && word != "alias" {
		return fmt.Errorf("too much in %q", text)
	}
	if err := r.take(word, what, value); err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	return nil
}

func (r *savedReader) take(word, what, value string) (err error) {
	s, ok := r.s, false
	switch word {
	case "key":
		if s.Key, ok = parseKey(what); !ok {
			err = errors.New("want 32 hexadecimal digits")
		}
	case "slots":
		s.Plan.Slots, err = parseNumber(what, 1, MaxSlots)
	case "asked":
		s.Asked, err = parseNumber(what, 1, MaxSlots)
	case "weight":
		err = assign(s.Plan.Weights, what, value, parseSlot, parseWeight)
	case "drained":
		err = assign(s.Plan.Drained, what, "", parseSlot, func(string) (bool, error) { return true, nil })
	case "pin":
		err = assign(s.Plan.Pins, what, value, parseAddr, parseSlot)
	case "alias":
		err = assign(s.Aliases, what, value, parseAddr, parseAddr)
	case "allow":
		var p netip.Prefix
		p, err = parsePrefix(what)
		s.Allowed = append(s.Allowed, p)
	default:
		err = errors.New("unknown")
	}
	return err
}

func assign[K comparable, V any](m map[K]V, key, value string, k func(string) (K, error), v func(string) (V, error)) error {
	a, err := k(key)
	if err != nil {
		return err
	}
	m[a], err = v(value)
	return err
}

func parseNumber(text string, least, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most || strconv.Itoa(n) != text {
		return 0, fmt.Errorf("want a number from %d to %d", least, most)
	}
	return n, nil
}

func parseSlot(text string) (int, error) { return parseNumber(text, 0, MaxSlots-1) }

func parseWeight(text string) (float64, error) {
	w, err := strconv.ParseFloat(text, 64)
	if err != nil || !(w >= minWeight && w <= maxWeight) || w == 1 || roundWeight(w) != w || formatWeight(w) != text {
		return 0, fmt.Errorf("want a weight from %g to %d, other than 1, in thousandths", minWeight, maxWeight)
	}
	return w, nil
}

func roundWeight(w float64) float64 { return math.Round(w*weightUnit) / weightUnit }

func formatWeight(w float64) string { return strconv.FormatFloat(w, 'f', -1, 64) }

func parseAddr(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a != a.Unmap().WithZone("") || a.String() != text {
		return a, errors.New("want an address")
	}
	return a, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if clean, cerr := cleanPrefix(p); err != nil || cerr != nil || clean != p || p.String() != text {
		return p, errors.New("want a prefix")
	}
	return p, nil
}

// check reports what no single line shows.
func (r *savedReader) check() error {
	s := r.s
	for _, word := range []string{"key", "slots"} {
		if !r.seen[word] {
			return fmt.Errorf("it says nothing of %q", word)
		}
	}
	for slot := range s.Plan.Weights {
		if err := s.Plan.has(slot); err != nil {
			return err
		}
	}
	for slot := range s.Plan.Drained {
		if err := s.Plan.has(slot); err != nil {
			return err
		}
	}
	for from, to := range s.Aliases {
		if _, chained := s.Aliases[to]; chained {
			return fmt.Errorf("%w: %s stands for %s", ErrAliasChain, from, to)
		}
	}
	for _, list := range []struct {
		name      string
		len, most int
	}{{"pins", len(s.Plan.Pins), maxPins}, {"aliases", len(s.Aliases), maxAliases}, {"prefixes", len(s.Allowed), maxPrefixes}} {
		if list.len > list.most {
			return fmt.Errorf("%d %s, a group has at most %d", list.len, list.name, list.most)
		}
	}
	slices.SortFunc(s.Allowed, netip.Prefix.Compare)
	return s.Plan.check(s.Key)
}

// Append appends the text of a key file with a plan. Equal plans have equal texts.
func (s *Saved) Append(b []byte) []byte {
	start := len(b)
	b = fmt.Appendf(b, "%s%d\n%skey %x\nslots %d\n", savedHeader, savedVersion, savedComment, s.Key[:], s.Plan.Slots)
	if s.Asked != 0 {
		b = fmt.Appendf(b, "asked %d\n", s.Asked)
	}
	for _, slot := range slices.Sorted(maps.Keys(s.Plan.Weights)) {
		b = fmt.Appendf(b, "weight %d %s\n", slot, formatWeight(s.Plan.Weights[slot]))
	}
	for _, slot := range slices.Sorted(maps.Keys(s.Plan.Drained)) {
		b = fmt.Appendf(b, "drained %d\n", slot)
	}
	for _, a := range s.Plan.pinned() {
		b = fmt.Appendf(b, "pin %s %d\n", a, s.Plan.Pins[a])
	}
	for _, a := range slices.SortedFunc(maps.Keys(s.Aliases), netip.Addr.Compare) {
		b = fmt.Appendf(b, "alias %s %s\n", a, s.Aliases[a])
	}
	for _, p := range s.Allowed {
		b = fmt.Appendf(b, "allow %s\n", p)
	}
	return append(b, sumLine(b[start:])...)
}

// plain reports whether the key says it all, with the number of slots that Init is told.
func (s *Saved) plain() bool {
	p := s.Plan
	return p.Slots == cmp.Or(s.Asked, p.Slots) && len(p.Weights)+len(p.Drained)+len(p.Pins)+len(s.Aliases)+len(s.Allowed) == 0
}

// sum is a name for what is saved.
func (s *Saved) sum() [sha256.Size]byte { return sha256.Sum256(s.Append(nil)) }
