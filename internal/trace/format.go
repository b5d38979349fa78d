package trace

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// printable replaces what could move a terminal's cursor or turn the direction of writing.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return '\uFFFD'
		}
		return r
	}, s)
}

// briefly formats a duration in at most seven characters: "0 s", "250 ms", "12.5 s", "4m05s", "1h04m", "12d03h".
func briefly(d time.Duration) string {
	s := int64(d / time.Second)
	switch {
	case d < 500*time.Microsecond:
		return "0 s"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	case d < time.Minute:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(d.Milliseconds()/100)/10), ".0") + " s"
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case d < 100*time.Hour:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd%02dh", s/86400, s/3600%24)
}

// offset formats a time since the trace's start: "0:05", "1:04:05".
func offset(d time.Duration) string {
	s := int64(max(0, d) / time.Second)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// tick formats a round time for an axis: "10m", "1h30m".
func tick(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	s := briefly(d)
	if d >= time.Minute {
		s = strings.TrimSuffix(strings.TrimSuffix(s, "00s"), "00m")
	}
	return s
}

// tickEvery returns the distance of at most n round marks over a duration.
func tickEvery(total time.Duration, n int) time.Duration {
	for _, step := range []time.Duration{
		time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 5 * time.Second, 15 * time.Second,
		30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute,
		30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour,
	} {
		if total <= step*time.Duration(max(n, 1)) {
			return step
		}
	}
	return total
}
