package bzip2

// job is one piece of work for a blockCoder: a block collected by rle, or, where source is set, bytes to be cut into
// blocks. The memory of a job is used again.
type job struct {
	rle    rle1
	crc    uint32 // CRC register of the bytes that rle took
	source []byte
	limit  int // of a block cut from source

	bits bitWriter // the blocks
	size int       // bits of them
	crcs []uint32  // CRC of each

	coders chan *blockCoder
	coder  *blockCoder // if there was one for the job when it was submitted
	done   chan struct{}
	run    func() // the method work: a go statement on a stored function allocates nothing
}

func (j *job) work() {
	if j.coder == nil {
		j.coder = <-j.coders
		j.coder.turn.enter()
	}
	coder := j.coder
	coder.turn.take()
	j.encode(coder)
	coder.turn.give()
	j.coder = nil
	j.coders <- coder
	j.done <- struct{}{}
}

func (j *job) start(limit int) {
	j.rle.start(limit)
	j.crc = ^uint32(0)
	j.limit = limit
}

func (j *job) encode(coder *blockCoder) {
	j.bits.reset(j.bits.buf[:0])
	j.crcs = j.crcs[:0]
	if j.source == nil {
		j.encodeBlock(coder)
	}
	for len(j.source) > 0 {
		j.start(j.limit)
		n, _ := j.rle.fill(j.source)
		j.crc = updateCRC(j.crc, j.source[:n])
		j.source = j.source[n:]
		j.encodeBlock(coder)
	}
	j.source = nil
	j.size = j.bits.flush()
}

func (j *job) encodeBlock(coder *blockCoder) {
	j.rle.finish()
	if len(j.rle.buf) > 0 {
		coder.encode(&j.bits, j.rle.buf, ^j.crc)
		j.crcs = append(j.crcs, ^j.crc)
	}
}

// pipeline encodes jobs on a number of goroutines and adds them to the stream in the order of their submission. With
// one goroutine that is the caller's. Otherwise there is a goroutine for each job, and as many as were asked for run at
// a time (turns).
type pipeline struct {
	stream stream
	jobs   []*job // a ring
	next   int    // the job to be filled and submitted next
	busy   int    // jobs submitted and not collected: those before next
	coders chan *blockCoder
	spare  []*blockCoder // beyond the width
	procs  int
	turns  *turns // nil with one goroutine
}

func (p *pipeline) init(procs int) {
	*p = pipeline{stream: p.stream, procs: procs, coders: make(chan *blockCoder, 2*procs)}
	if procs > 1 {
		p.turns = newTurns(procs)
	}
	p.setWidth(procs)
}

// setWidth sets how many jobs are under way at a time, at most twice the number of goroutines. None may be now.
func (p *pipeline) setWidth(width int) {
	for len(p.coders) > width {
		p.spare = append(p.spare, <-p.coders)
	}
	for len(p.coders) < width {
		if n := len(p.spare); n > 0 {
			p.coders <- p.spare[n-1]
			p.spare = p.spare[:n-1]
		} else {
			p.coders <- p.newCoder()
		}
	}
	jobs := width
	if p.procs > 1 {
		jobs++ // one is filled while the others run
	}
	for len(p.jobs) < jobs {
		j := &job{coders: p.coders, done: make(chan struct{}, 1)}
		j.run = j.work
		p.jobs = append(p.jobs, j)
	}
	p.next = 0
}

func (p *pipeline) newCoder() *blockCoder {
	if p.turns == nil {
		return new(blockCoder)
	}
	return &blockCoder{turn: p.turns.turn()}
}

// current returns the job to be filled.
func (p *pipeline) current() *job { return p.jobs[p.next] }

// submit starts the current job and, when all are busy, waits for the oldest.
func (p *pipeline) submit() error {
	j := p.current()
	if p.procs == 1 {
		coder := <-p.coders
		j.encode(coder)
		p.coders <- coder
		return p.emit(j)
	}
	select {
	case j.coder = <-p.coders:
		j.coder.turn.enter()
	default:
	}
	go j.run()
	p.next = (p.next + 1) % len(p.jobs)
	p.busy++
	if p.busy == len(p.jobs) {
		return p.collect()
	}
	return nil
}

// collect waits for the oldest job.
func (p *pipeline) collect() error {
	j := p.jobs[(p.next-p.busy+len(p.jobs))%len(p.jobs)]
	<-j.done
	p.busy--
	return p.emit(j)
}

// drain waits for all jobs.
func (p *pipeline) drain() error {
	for p.busy > 0 {
		if err := p.collect(); err != nil {
			return err
		}
	}
	return nil
}

// abandon waits for all jobs and forgets their output.
func (p *pipeline) abandon() {
	for ; p.busy > 0; p.busy-- {
		<-p.jobs[(p.next-p.busy+len(p.jobs))%len(p.jobs)].done
	}
}

func (p *pipeline) emit(j *job) error {
	p.stream.add(j.bits.buf, j.size, j.crcs)
	return p.stream.drain(drainSize)
}

// splitter cuts the bytes written to it into full blocks.
type splitter struct {
	pipeline
	limit int
	open  bool // the current job holds part of a block
}

func (s *splitter) write(b []byte) (int, error) {
	total := len(b)
	for len(b) > 0 {
		j := s.current()
		if !s.open {
			j.start(s.limit)
			s.open = true
		}
		n, full := j.rle.fill(b)
		j.crc = updateCRC(j.crc, b[:n])
		b = b[n:]
		if full {
			s.open = false
			if err := s.submit(); err != nil {
				return total - len(b), err
			}
		}
	}
	return total, nil
}

// cut ends the block under construction and waits until all blocks are in the stream.
func (s *splitter) cut() error {
	if s.open {
		s.open = false
		if err := s.submit(); err != nil {
			return err
		}
	}
	return s.drain()
}
