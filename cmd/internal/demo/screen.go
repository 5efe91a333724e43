package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// screen writes frames: in place on a terminal, else one after the other, at longer intervals.
type screen struct {
	w        io.Writer
	terminal bool
	width    func() int

	drawn int       // lines of the frame on the terminal
	last  time.Time // of the last frame, without a terminal
}

// plainEvery is how often a frame is written where it cannot be drawn in place.
const plainEvery = 5 * time.Second

func newScreen(e Env) *screen { return &screen{w: e.Out, terminal: e.Terminal, width: e.Width} }

// line writes a line that stays.
func (s *screen) line(text string) {
	s.release()
	fmt.Fprintln(s.w, text)
}

func (s *screen) linef(format string, args ...any) { s.line(fmt.Sprintf(format, args...)) }

// release leaves the frame where it is; what comes next is written below it.
func (s *screen) release() { s.drawn = 0 }

// frame shows the lines in place of the frame before.
func (s *screen) frame(lines []string, now time.Time) {
	if !s.terminal {
		if now.Sub(s.last) >= plainEvery {
			s.last = now
			fmt.Fprintln(s.w, "\n"+strings.Join(lines, "\n"))
		}
		return
	}
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.drawn)
	}
	for _, l := range lines {
		b.WriteString("\r" + s.cut(l) + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	s.drawn = len(lines)
	_, _ = io.WriteString(s.w, b.String())
}

// cut shortens a line to the terminal's width: a line that wraps would make the frame longer than it is known to be.
func (s *screen) cut(line string) string {
	width := 0
	if s.width != nil {
		width = s.width()
	}
	if width <= 0 || utf8.RuneCountInString(line) < width {
		return line
	}
	return string([]rune(line)[:width-1])
}

// number writes a whole number with its thousands apart.
func number[T int | int64 | uint64](n T) string {
	text := fmt.Sprint(n)
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return sign + text
}

// count writes a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return number(n) + " " + thing + "s"
}
