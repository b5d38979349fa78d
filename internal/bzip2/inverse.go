package bzip2

// The inverse transform walks from row to row. The row of the rotation that starts one byte later is found by
// counting, since equal bytes stand in the same order in the first and in the last column. Each step waits for memory,
// a cache miss for most bytes of a large block, and that is what bounds a decoder. The steps of one walk wait for each
// other; those of several walks do not. So the rows are walked from many starts at once:
//
// Some rows are marked, evenly spaced and the block's own row among them. From each mark a walk goes on to the next
// mark that it meets and writes what it passes to a piece of memory of its own. A number of lanes do so in step, each
// taking the next mark when its walk has ended. What walks do not know is where in the content they are. So the pieces
// are put together at the end, from the one that starts at the block's own row on, each followed by the one that
// starts at the mark where it ended.
//
// Nothing is assumed of the rows but that each follows one other, so every walk ends and all together pass each row
// once at most. Where the rows make several circles, which an encoder writes only for a power, the pieces of one
// circle are repeated, as a single walk would repeat it.
//
// An entry of the table is the row that follows (20 bits, bits 8 to 27), the first byte of its own row (bits 0 to 7),
// and whether the row that follows is marked (bit 31).

const (
	lanes      = 16
	laneChunk  = 4 << 10 // bytes that a lane takes of the memory for pieces at once
	markSpace  = 1 << 11 // rows between marks: walks are short enough for all lanes to end together
	markedNext = 1 << 31
)

// inverter holds the tables of the inverse transform. The zero value is ready.
type inverter struct {
	table  []uint32 // by row; one more, that follows itself, for lanes that have no walk
	memory []byte   // of the pieces
	pieces []piece  // those that start at the marks, in order, then those that go on in another chunk
	first  uint32   // the first mark

	nextMark  int // where no walk has started yet
	nextChunk int
	rows      [lanes]uint32
	dst       [lanes][]byte // the rest of the lane's chunk
	at        [lanes]int    // where that is in memory
	current   [lanes]int    // piece, or -1
	idle      [laneChunk]byte
}

// piece is content between two marks, or a part of it.
type piece struct{ start, end, next int }

// invert writes the content of the block that is the given row to out; last is the last column, and count its bytes.
// len(out) is len(last), more than 0 and at most maxBlock.
func (v *inverter) invert(last []byte, count *[256]uint32, row uint32, out []byte) {
	n := len(last)
	v.link(last, count, row%markSpace)
	v.memory = grow(v.memory, n+(lanes+1)*laneChunk)
	marks := (n - int(v.first) + markSpace - 1) / markSpace
	v.pieces = grow(v.pieces, marks)
	v.nextMark, v.nextChunk = 0, 0
	active := 0
	for k := range lanes {
		v.chunk(k)
		if v.begin(k) {
			active++
		}
	}
	for active > 0 {
		n := laneChunk
		for k := range lanes {
			n = min(n, len(v.dst[k]))
		}
		n = v.walk(n)
		for k := range lanes {
			v.dst[k] = v.dst[k][n:]
			v.at[k] += n
			i := v.current[k]
			switch marked := v.rows[k]&(markedNext>>8) != 0; {
			case i < 0:
				v.dst[k] = v.idle[:]
			case marked:
				v.pieces[i].end = v.at[k]
				v.pieces[i].next = v.mark(v.rows[k] &^ (markedNext >> 8))
				if len(v.dst[k]) == 0 {
					v.chunk(k)
				}
				if !v.begin(k) {
					active--
				}
			case len(v.dst[k]) == 0:
				v.pieces[i].end = v.at[k]
				v.pieces[i].next = len(v.pieces)
				v.chunk(k)
				v.current[k] = len(v.pieces)
				v.pieces = append(v.pieces, piece{start: v.at[k]})
			}
		}
	}
	for p := v.mark(row); len(out) > 0; {
		x := &v.pieces[p]
		out = out[copy(out, v.memory[x.start:x.end]):]
		p = x.next
	}
}

// mark returns the number of the mark at a row.
func (v *inverter) mark(row uint32) int { return int((row - v.first) / markSpace) }

// chunk gives a lane new memory.
func (v *inverter) chunk(k int) {
	v.at[k] = v.nextChunk
	v.nextChunk += laneChunk
	v.dst[k] = v.memory[v.at[k]:v.nextChunk]
}

// begin starts a walk from the next mark; where there is none it says so and sets the lane idle.
func (v *inverter) begin(k int) bool {
	if i := v.nextMark; v.first+uint32(i)*markSpace < uint32(len(v.table)-1) {
		v.nextMark++
		v.current[k], v.rows[k] = i, v.first+uint32(i)*markSpace
		v.pieces[i].start = v.at[k]
		return true
	}
	v.current[k], v.rows[k], v.dst[k] = -1, uint32(len(v.table)-1), v.idle[:]
	return false
}

// link fills the table. Marks are at first, first+markSpace, ...
func (v *inverter) link(last []byte, count *[256]uint32, first uint32) {
	n := len(last)
	v.table = grow(v.table, n+1)
	v.first = first
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
		table[j] = uint32(i)<<8 | uint32(c)
		if uint32(i)%markSpace == first {
			table[j] |= markedNext
		}
	}
}

// walk takes up to n steps in every lane, up to the first that reaches a mark, and returns how many.
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
