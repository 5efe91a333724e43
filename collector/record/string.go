package record

import "unicode/utf8"

// AppendString appends s as a JSON string with its quotes. Octets that are not UTF-8 become U+FFFD, one each.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	if n := plainPrefix(s); n < len(s) {
		return append(appendEscaped(dst, s, n), '"')
	}
	return append(append(dst, s...), '"')
}

// plain has the octets that stand for themselves in a JSON string.
var plain = func() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// plainPrefix counts the leading octets that are plain, eight at a time as far as it goes.
func plainPrefix(s string) int {
	const ones, highs = 0x01_01_01_01_01_01_01_01, 0x80_80_80_80_80_80_80_80
	n := 0
	for ; len(s)-n >= 8; n += 8 {
		w := s[n : n+8]
		x := uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 |
			uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
		quote, backslash := x^('"'*ones), x^('\\'*ones)
		// A borrow or a high bit shows that an octet is below the blank, is zero after the exclusive or, or is not
		// ASCII. It may also strike the octet behind such a one, which changes nothing: the eight are not plain.
		if ((x-' '*ones)|(quote-ones)|(backslash-ones)|x)&highs != 0 {
			break
		}
	}
	for n < len(s) && plain[s[n]] {
		n++
	}
	return n
}

// appendEscaped writes s, whose first n octets are plain, without quotes.
func appendEscaped(dst []byte, s string, n int) []byte {
	start := 0
	for i := n; i < len(s); {
		if plain[s[i]] {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if size > 1 {
			i += size
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, r)
		i++
		start = i
	}
	return append(dst, s[start:]...)
}

// appendEscape writes what cannot stand for itself: a quote, a backslash, a control character or an invalid octet,
// which comes as U+FFFD.
func appendEscape(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	case utf8.RuneError:
		return utf8.AppendRune(dst, r)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[r>>4&15], hexDigits[r&15])
}
