package bzip2

// The inverse transform walks from row to row. The row of the rotation that starts one byte later is found by
// counting, since equal bytes stand in the same order in the first and in the last column. Each step waits for memory,
// a cache miss for most bytes of a large block, and that is what bounds a decoder. The steps of one walk wait for each
// other; those of several walks do not. So the rows are walked from many starts at once.
//
// Some rows are marked, evenly spaced and the block's own row among them. From each mark a walk goes on to the next
// mark that it meets and writes what it passes to memory of its own: a piece of the content, of which nobody knows yet
// where it belongs. A number of lanes walk in step, each taking the next mark when it has met one. At the end the
// pieces are put together, from the one that starts at the block's own row on, each followed by the one that starts
// where it ended.
//
// Nothing is assumed of the rows but that each follows one other. So every walk ends, and all together pass each row
// once at most. Where the rows make several circles (those of a power do; other blocks of which that is true are not
// an encoder's) the pieces of one circle are repeated, as a single walk would repeat it.
//
// An entry of the table is the first byte of its row (bits 0 to 7), the row that follows (20 bits, from bit 8 on) and
// whether that one is marked (bit 31).

const (
	lanes      = 16      // as many as a core has cache misses under way; 8 to 16 are as fast, 24 slower
	laneChunk  = 4 << 10 // bytes of memory that a lane takes at once
	markSpace  = 2 << 10 // rows between marks: so many walks of a full block that all lanes end almost together
	markedNext = 1 << 31
)

// inverter inverts transforms and keeps the memory for it, 5 bytes per byte of the largest block and 64 kB. The zero
// value is ready.
type inverter struct {
	table  []uint32 // by row, and one more that follows itself for lanes without a walk
	first  uint32   // the first mark; the others are at multiples of markSpace after it
	memory []byte   // of the pieces
	used   int      // of memory
	pieces []piece  // by mark those that start there, then those that go on in another chunk
	begun  int      // marks from which a walk has begun

	rows  [lanes]uint32
	dst   [lanes][]byte // memory that follows, up to the end of the chunk
	at    [lanes]int    // where in memory that begins
	piece [lanes]int    // being written, or none
	idle  [laneChunk]byte
}

// piece is the content memory[start:end] and the piece that follows it.
type piece struct{ start, end, next int }

const none = -1

// invert writes the content of the block that is the given row to out; last is the last column, and count its bytes.
// len(out) is len(last), more than 0 and at most maxBlock.
func (v *inverter) invert(last []byte, count *[256]uint32, row uint32, out []byte) {
	v.link(last, count, row%markSpace)
	v.walkAll()
	total := len(out)
	rest := out
	for p := v.mark(row); len(rest) > 0; {
		x := &v.pieces[p]
		rest = rest[copy(rest, v.memory[x.start:x.end]):]
		if p = x.next; p == v.mark(row) {
			break
		}
	}
	for done := total - len(rest); done < total; done *= 2 { // a circle
		copy(out[done:], out[:done])
	}
}

// link fills the table. Rows first, first+markSpace, ... are marked.
func (v *inverter) link(last []byte, count *[256]uint32, first uint32) {
	n := len(last)
	v.table, v.first = grow(v.table, n+1), first
	table := v.table
	table[n] = uint32(n) << 8
	var next [256]uint32 // by byte: the next row that starts with it
	sum := uint32(0)
	for c, k := range count {
		next[c] = sum
		sum += k
	}
	for i, c := range last {
		j := next[c]
		next[c] = j + 1
		e := uint32(i)<<8 | uint32(c)
		if uint32(i)%markSpace == first {
			e |= markedNext
		}
		table[j] = e
	}
}

// mark returns the number of the mark at a row.
func (v *inverter) mark(row uint32) int { return int((row - v.first) / markSpace) }

// walkAll walks from all marks.
func (v *inverter) walkAll() {
	n := len(v.table) - 1
	v.memory, v.used = grow(v.memory, n+lanes*laneChunk), 0
	v.pieces, v.begun = grow(v.pieces, v.mark(uint32(n-1))+1), 0
	walking := 0
	for k := range lanes {
		v.chunk(k)
		if v.begin(k) {
			walking++
		}
	}
	for walking > 0 {
		steps := laneChunk
		for k := range lanes {
			steps = min(steps, len(v.dst[k]))
		}
		steps = v.walk(steps)
		for k := range lanes {
			if v.piece[k] == none {
				continue
			}
			v.dst[k] = v.dst[k][steps:]
			v.at[k] += steps
			p := &v.pieces[v.piece[k]]
			switch full, row := len(v.dst[k]) == 0, v.rows[k]; {
			case row&(markedNext>>8) != 0:
				p.end, p.next = v.at[k], v.mark(row&^(markedNext>>8))
				if full {
					v.chunk(k)
				}
				if !v.begin(k) {
					walking--
				}
			case full:
				p.end, p.next = v.at[k], len(v.pieces)
				v.chunk(k)
				v.piece[k] = len(v.pieces)
				v.pieces = append(v.pieces, piece{start: v.at[k]})
			}
		}
	}
}

// begin starts a walk from the next mark and says whether there was one.
func (v *inverter) begin(k int) bool {
	i, end := v.begun, uint32(len(v.table)-1)
	row := v.first + uint32(i)*markSpace
	if row >= end {
		v.piece[k], v.rows[k], v.dst[k] = none, end, v.idle[:]
		return false
	}
	v.begun++
	v.piece[k], v.rows[k] = i, row
	v.pieces[i].start = v.at[k]
	return true
}

// chunk gives a lane new memory. It does not run out: chunks that are full hold n bytes at most, and each lane has one
// that is not.
func (v *inverter) chunk(k int) {
	v.at[k] = v.used
	v.used += laneChunk
	v.dst[k] = v.memory[v.at[k]:v.used]
}

// walk takes up to n steps in every lane, up to the first step that meets a mark, and returns how many.
func (v *inverter) walk(n int) int {
	table := v.table
	for i := range n {
		flags := uint32(0)
		for k := range lanes {
			e := table[v.rows[k]]
			v.dst[k][i] = byte(e)
			v.rows[k] = e >> 8
			flags |= e
		}
		if flags&markedNext != 0 {
			return i + 1
		}
	}
	return n
}
