package bzip2

import "bytes"

// leastRotation returns the start of the least rotation of s within its first period, and the period of its
// rotations: len(s), unless s is a power u^k, and then len(u). least is the smallest byte of s.
//
// Two candidates are compared as in Shiloach's algorithm: the loser skips past the compared part, since each place in
// it starts a rotation that loses to its counterpart. Both move only over places that hold the smallest byte. O(n).
func leastRotation(s []byte, least byte) (start, period int) {
	n := len(s)
	next := func(i int) int {
		if i < n {
			if d := bytes.IndexByte(s[i:], least); d >= 0 {
				return i + d
			}
		}
		return n
	}
	i := next(0)
	j := next(i + 1)
	k := 0 // s[i:] and s[j:], taken cyclically, agree on k bytes
	for i < n && j < n {
		a, b := i+k, j+k
		if a >= n {
			a -= n
		}
		if b >= n {
			b -= n
		}
		if s[a] == s[b] {
			if k++; k == n {
				d := max(i, j) - min(i, j)
				return min(i, j) % d, d
			}
			continue
		}
		if s[a] > s[b] {
			i = next(i + k + 1)
		} else {
			j = next(j + k + 1)
		}
		if i == j {
			j = next(j + 1)
		}
		k = 0
	}
	return min(i, j), n
}
