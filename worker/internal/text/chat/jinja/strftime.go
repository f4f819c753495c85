package jinja

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// strftime is Python's, in the C locale.
func strftime(format string, t time.Time) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		pad := byte('0')
		c := format[i]
		if (c == '-' || c == '_') && i+1 < len(format) {
			i++
			pad, c = c, format[i]
		}
		if s, ok := timePart(c, pad, t); ok {
			b.WriteString(s)
			continue
		}
		b.WriteByte('%')
		if pad != '0' {
			b.WriteByte(pad)
		}
		b.WriteByte(c)
	}
	return b.String()
}

func timePart(c, pad byte, t time.Time) (string, bool) {
	num := func(n, width int) (string, bool) {
		switch pad {
		case '-':
			return strconv.Itoa(n), true
		case '_':
			return fmt.Sprintf("%*d", width, n), true
		}
		return fmt.Sprintf("%0*d", width, n), true
	}
	hour12 := (t.Hour()+11)%12 + 1
	isoYear, isoWeek := t.ISOWeek()
	switch c {
	case 'a':
		return t.Format("Mon"), true
	case 'A':
		return t.Format("Monday"), true
	case 'b', 'h':
		return t.Format("Jan"), true
	case 'B':
		return t.Format("January"), true
	case 'c':
		return t.Format("Mon Jan _2 15:04:05 2006"), true
	case 'C':
		return num(t.Year()/100, 2)
	case 'd':
		return num(t.Day(), 2)
	case 'D', 'x':
		return t.Format("01/02/06"), true
	case 'e':
		if pad == '0' {
			pad = '_'
		}
		return num(t.Day(), 2)
	case 'f':
		return fmt.Sprintf("%06d", t.Nanosecond()/1000), true
	case 'F':
		return t.Format("2006-01-02"), true
	case 'g':
		return num(isoYear%100, 2)
	case 'G':
		return num(isoYear, 4)
	case 'H':
		return num(t.Hour(), 2)
	case 'I':
		return num(hour12, 2)
	case 'j':
		return num(t.YearDay(), 3)
	case 'm':
		return num(int(t.Month()), 2)
	case 'M':
		return num(t.Minute(), 2)
	case 'n':
		return "\n", true
	case 'p':
		return t.Format("PM"), true
	case 'r':
		return t.Format("03:04:05 PM"), true
	case 'R':
		return t.Format("15:04"), true
	case 's':
		return strconv.FormatInt(t.Unix(), 10), true
	case 'S':
		return num(t.Second(), 2)
	case 't':
		return "\t", true
	case 'T', 'X':
		return t.Format("15:04:05"), true
	case 'u':
		return strconv.Itoa((int(t.Weekday())+6)%7 + 1), true
	case 'U':
		return num((t.YearDay()+6-int(t.Weekday()))/7, 2)
	case 'V':
		return num(isoWeek, 2)
	case 'w':
		return strconv.Itoa(int(t.Weekday())), true
	case 'W':
		return num((t.YearDay()+6-(int(t.Weekday())+6)%7)/7, 2)
	case 'y':
		return num(t.Year()%100, 2)
	case 'Y':
		return num(t.Year(), 4)
	case 'z', 'Z': // Python's now() has no zone
		return "", true
	case '%':
		return "%", true
	}
	return "", false
}
