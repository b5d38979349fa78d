package archive

// maxArrival is the last millisecond of the year 9999.
const maxArrival = 253402300799999

// parseArrival reads a JSON number of Unix seconds, such as 1545084650.987 or 1.545084650987E9, to the nearest
// millisecond, half a one upwards. It computes in decimal: as a float64 (or with events.SecondsEpochTime, which cuts
// off) a time may come out a millisecond early, and so in the wrong hour.
func parseArrival(number []byte) (ms int64, ok bool) {
	var buf [64]byte
	digits := buf[:0]
	point, exponent, negative := -1, 0, false
	for i, c := range number {
		switch {
		case c >= '0' && c <= '9':
			if len(digits) == len(buf) {
				return 0, false
			}
			digits = append(digits, c)
		case c == '.' && point < 0:
			point = len(digits)
		case c|' ' == 'e' && len(digits) > 0:
			if exponent, ok = parseExponent(number[i+1:]); !ok {
				return 0, false
			}
			return decimalMs(digits, point, exponent)
		default:
			negative = true // or not a number at all
		}
	}
	if negative || len(digits) == 0 {
		return 0, false
	}
	return decimalMs(digits, point, 0)
}

func parseExponent(b []byte) (n int, ok bool) {
	sign := 1
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		if b[0] == '-' {
			sign = -1
		}
		b = b[1:]
	}
	for _, c := range b {
		if c < '0' || c > '9' || n > 999 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return sign * n, len(b) > 0
}

// decimalMs returns digits, with a decimal point before the one at point, times 10^(exponent+3).
func decimalMs(digits []byte, point, exponent int) (ms int64, ok bool) {
	if point < 0 {
		point = len(digits)
	}
	point += exponent + 3
	at := func(i int) int64 {
		if i < 0 || i >= len(digits) {
			return 0
		}
		return int64(digits[i] - '0')
	}
	for i := range point {
		if ms = ms*10 + at(i); ms > maxArrival {
			return 0, false
		}
	}
	if point >= 0 && at(point) >= 5 {
		ms++
	}
	return ms, ms <= maxArrival
}
