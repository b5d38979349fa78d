package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// peerProgram is libbz2 as Python's bz2 module has it, which times itself: a request is a length and as many bytes, the
// answer the length of the compressed bytes and the processor time in nanoseconds.
const peerProgram = `
import bz2, struct, sys, time
stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
stdout.write(('Python %d.%d.%d, bz2\n' % sys.version_info[:3]).encode()); stdout.flush()
while True:
    h = stdin.read(8)
    if len(h) < 8: break
    b = stdin.read(struct.unpack('<Q', h)[0])
    t = time.process_time_ns()
    c = bz2.compress(b, 9)
    t = time.process_time_ns() - t
    stdout.write(struct.pack('<QQ', len(c), t)); stdout.flush()
`

// peer is a child process that compresses with libbz2.
type peer struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

// startPeer starts the child; the error says that it is missing.
func startPeer() (*peer, error) {
	python, err := exec.LookPath("python3")
	if err != nil {
		return nil, fmt.Errorf("python3 is not installed")
	}
	p := &peer{cmd: exec.Command(python, "-c", peerProgram)}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start python3: %w", err)
	}
	name, err := p.out.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("python3 has no bz2 module")
	}
	p.name = strings.TrimSpace(name)
	return p, nil
}

// compress returns the size of b under libbz2 -9 and the processor time it took.
func (p *peer) compress(b []byte) (int, time.Duration, error) {
	var h [16]byte
	binary.LittleEndian.PutUint64(h[:8], uint64(len(b)))
	if _, err := p.in.Write(append(h[:8:8], b...)); err != nil {
		return 0, 0, fmt.Errorf("ask libbz2 to compress %d bytes: %w", len(b), err)
	}
	if _, err := io.ReadFull(p.out, h[:]); err != nil {
		return 0, 0, fmt.Errorf("read the answer of libbz2: %w", err)
	}
	return int(binary.LittleEndian.Uint64(h[:8])), time.Duration(binary.LittleEndian.Uint64(h[8:])), nil
}

func (p *peer) close() {
	p.in.Close()
	_ = p.cmd.Wait()
}
