package bzip2

import "io"

const (
	// maxBlockBytes is more than any block needs: header, byte values, selectors, tables, and the longest code for each
	// of as many symbols as there can be.
	maxBlockBytes = (maxBlock+groupSize)*maxCodeLen/8 + (1<<15)*maxTables/8 + maxTables*maxSymbols*maxCodeLen*2/8 + 1<<10

	cutterRead = 128 << 10 // bytes read at once
)

// cutter cuts bzip2 data at all places where a block or a footer may begin, into segments that can be decoded without
// each other. A place may be spurious; who decodes in order finds that out.
type cutter struct {
	r     io.Reader
	buf   []byte
	n     int   // bytes in buf
	base  int64 // bytes before buf
	pos   int   // bit of buf where the next segment begins
	ended bool  // nothing comes after buf
	err   error // why, unless it is the end of the data
}

func (c *cutter) reset(r io.Reader) { *c = cutter{r: r, buf: c.buf} }

// offset returns the bits before the next segment.
func (c *cutter) offset() int64 { return c.base*8 + int64(c.pos) }

// left returns how many bits of the next segment and what follows are in buf.
func (c *cutter) left() int { return c.n*8 - c.pos }

// more drops what is before the next segment and reads on.
func (c *cutter) more() {
	if c.ended {
		return
	}
	drop := c.pos >> 3
	copy(c.buf, c.buf[drop:c.n])
	c.n -= drop
	c.base += int64(drop)
	c.pos &= 7
	if c.n+cutterRead > len(c.buf) {
		c.buf = append(make([]byte, 0, c.n+c.n/2+cutterRead), c.buf[:c.n]...)
		c.buf = c.buf[:cap(c.buf)]
	}
	n, err := readFull(c.r, c.buf[c.n:c.n+cutterRead])
	c.n += n
	if err != nil {
		c.ended = true
		if err != io.EOF {
			c.err = err
		}
	}
}

// need reads until that many bits follow, or the data ends, and says whether they do.
func (c *cutter) need(bits int) bool {
	for c.left() < bits && !c.ended {
		c.more()
	}
	return c.left() >= bits
}

// segment is a part of the data. It begins at bit start (0 to 7) of data and ends at bit end.
type segment struct {
	data       []byte
	start, end int
	at         int64 // bits before data
	final      bool  // the data ends where the segment ends
}

// next copies the next segment to s; the magic that it begins with is not looked for.
func (c *cutter) next(s *segment) {
	end := -1
	for i := c.pos>>3 + 1; end < 0; {
		stop := c.n - 8
		if c.ended {
			stop = c.n - 1
		}
		if i = nextPair(c.buf, i, stop); i < stop {
			end = firstMagic(c.buf[:c.n], i, c.pos+1)
			i += probeStride
			continue
		}
		if c.ended || c.n-c.pos>>3 > maxBlockBytes {
			end = c.n * 8
			break
		}
		i -= c.pos >> 3
		c.more()
	}
	first := c.pos >> 3
	s.data = append(s.data[:0], c.buf[first:(end+7)>>3]...)
	s.start, s.end = c.pos&7, end-first*8
	s.at = (c.base + int64(first)) * 8
	s.final = c.ended && end == c.n*8
	c.pos = end
}

// firstMagic returns the bit offset of the first magic from bit from on that has the pair b[i], b[i+1] inside it, or
// -1.
func firstMagic(b []byte, i, from int) int {
	for off := max((i-probeStride)*8, from); off < i*8; off++ {
		if m := bitsAt(b, off, magicBits); m == blockMagic || m == footerMagic {
			return off
		}
	}
	return -1
}

// unread puts segments that followed each other, up to the cutter's position, back before it.
func (c *cutter) unread(segments []*segment) {
	if len(segments) == 0 {
		return
	}
	var head []byte
	for i, s := range segments {
		end := s.end // where the next one begins
		if i+1 < len(segments) {
			end = int(segments[i+1].at + int64(segments[i+1].start) - s.at)
		}
		head = append(head, s.data[:end>>3]...)
	}
	rest := c.buf[c.pos>>3 : c.n]
	first := segments[0]
	buf := append(make([]byte, 0, len(head)+len(rest)+cutterRead), head...)
	buf = append(buf, rest...)
	c.n = len(buf)
	c.buf = buf[:cap(buf)]
	c.base = first.at / 8
	c.pos = first.start
}
