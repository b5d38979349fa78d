package bzip2

import (
	"cmp"
	"math/bits"
	"slices"
)

// phrase is a phrase to be sorted: the next symbols to compare, packed into one word, and its number.
type phrase struct {
	key uint64
	id  uint32
}

// phraseSorter sorts different phrases by radix on their first symbols, then by quicksort on whole words, then on
// the words further on where these agree.
//
// Comparing past a phrase's end is harmless: what it finds is the true order of the suffixes. It is cheap as well: two
// different phrases of which one is the start of the other differ within the run of equal symbols in which the next
// phrase begins. So all comparisons together look at O(n) symbols.
type phraseSorter struct {
	items []phrase // the result, in order
	tmp   []phrase
	count []uint32
	first []uint32
	step  uint32 // symbols of a key
}

// nextKey packs the symbols that start depth symbols after the start of the phrase at an index. It is handed down as
// an argument, since a function that is stored has to be allocated.
type nextKey func(index, depth uint32) uint64

// sort orders the phrases whose first occurrences are at the indices first.
func (o *phraseSorter) sort(first []uint32, step uint32, next nextKey) {
	o.first, o.step = first, step
	o.items = grow(o.items, len(first))
	for i, index := range first {
		o.items[i] = phrase{next(index, 0), uint32(i)}
	}
	o.deep(o.items, step, next)
	o.first = nil
}

// deep sorts by key and, within equal keys, by what is at depth and beyond.
func (o *phraseSorter) deep(a []phrase, depth uint32, next nextKey) {
	for {
		o.byKey(a)
		if len(a) < 2 || a[0].key != a[len(a)-1].key {
			break
		}
		o.advance(a, depth, next)
		depth += o.step
	}
	for i := 0; i < len(a); {
		j := i + 1
		for j < len(a) && a[j].key == a[i].key {
			j++
		}
		if j-i > 1 {
			o.advance(a[i:j], depth, next)
			o.deep(a[i:j], depth+o.step, next)
		}
		i = j
	}
}

func (o *phraseSorter) advance(a []phrase, depth uint32, next nextKey) {
	for i := range a {
		a[i].key = next(o.first[a[i].id], depth)
	}
}

// byKey sorts by key: one radix pass over the leading bits in use, then each bucket on its own.
func (o *phraseSorter) byKey(a []phrase) {
	if len(a) < 256 {
		quicksort(a)
		return
	}
	var used uint64
	for i := range a {
		used |= a[i].key
	}
	width := min(bits.Len(uint(len(a))), 16)
	shift := max(bits.Len64(used)-width, 0)
	o.count = grow(o.count, 1<<width)
	count := o.count
	clear(count)
	for i := range a {
		count[a[i].key>>shift]++
	}
	sum := uint32(0)
	for i, c := range count {
		count[i] = sum
		sum += c
	}
	o.tmp = grow(o.tmp, len(a))
	tmp := o.tmp
	for i := range a {
		b := a[i].key >> shift
		tmp[count[b]] = a[i]
		count[b]++
	}
	copy(a, tmp)
	lo := uint32(0)
	for _, hi := range count {
		if hi-lo > 1 {
			quicksort(a[lo:hi])
		}
		lo = hi
	}
}

// quicksort partitions without an unpredictable branch. After eight partitions that set almost nothing aside, on
// input that was built for it or not, pdqsort (slices.SortFunc) takes over, which is O(n log n) for any input.
func quicksort(a []phrase) {
	for bad := 0; len(a) > 12; {
		n := len(a)
		pivot := median(a[n/4].key, a[n/2].key, a[n-1-n/4].key)
		if n > 400 {
			pivot = median(pivot, median(a[n/8].key, a[n/3].key, a[n-1-n/3].key), median(a[0].key, a[n-1-n/8].key, a[n-1].key))
		}
		k := 0
		for i, v := range a {
			a[i] = a[k]
			a[k] = v
			_, less := bits.Sub64(v.key, pivot, 0)
			k += int(less)
		}
		least := k == 0
		if least { // the pivot is the smallest key: set its equals aside, which are in order
			for i, v := range a {
				if v.key == pivot {
					a[i] = a[k]
					a[k] = v
					k++
				}
			}
		}
		if min(k, n-k) < n/16 {
			if bad++; bad > 8 {
				slices.SortFunc(a, func(x, y phrase) int { return cmp.Compare(x.key, y.key) })
				return
			}
		}
		switch {
		case least:
			a = a[k:]
		case k < n-k:
			quicksort(a[:k])
			a = a[k:]
		default:
			quicksort(a[k:])
			a = a[:k]
		}
	}
	for i := 1; i < len(a); i++ {
		v := a[i]
		j := i
		for j > 0 && v.key < a[j-1].key {
			a[j] = a[j-1]
			j--
		}
		a[j] = v
	}
}

func median(a, b, c uint64) uint64 { return max(min(a, b), min(max(a, b), c)) }
