package record

import "unicode/utf8"

// AppendString appends s as a JSON string with its quotes. Octets that are not UTF-8 become U+FFFD, one each.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		if !plain[s[i]] {
			return append(appendEscaped(dst, s, i), '"')
		}
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
