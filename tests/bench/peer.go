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

// peerProgram is libbz2 as Python's bz2 module has it, and the talk's archive handler in Python 3. It times itself: a
// request is what to do, a length and as many bytes; the answer the length of the compressed bytes and the processor
// and wall time in nanoseconds.
const peerProgram = `
import base64, bz2, json, struct, sys, time
stdin, stdout = sys.stdin.buffer, sys.stdout.buffer

def compress(b):
    return bz2.compress(b, 9)

def handle(payload):
    event = json.loads(payload)
    return bz2.compress(b'\n'.join([base64.b64decode(r['kinesis']['data']) for r in event['Records']]), 9)

stdout.write(('Python %d.%d.%d, bz2\n' % sys.version_info[:3]).encode()); stdout.flush()
while True:
    h = stdin.read(9)
    if len(h) < 9: break
    what, n = struct.unpack('<cQ', h)
    b = stdin.read(n)
    do = {b'c': compress, b'h': handle}[what]
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    c = do(b)
    cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
    stdout.write(struct.pack('<QQQ', len(c), cpu, wall)); stdout.flush()
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

// answer is what the child did.
type answer struct {
	size      int
	cpu, wall time.Duration
}

// compress compresses b with libbz2 -9.
func (p *peer) compress(b []byte) (answer, error) { return p.ask('c', b) }

// handle runs the Python 3 handler on a Lambda payload.
func (p *peer) handle(payload []byte) (answer, error) { return p.ask('h', payload) }

func (p *peer) ask(what byte, b []byte) (answer, error) {
	var h [24]byte
	h[0] = what
	binary.LittleEndian.PutUint64(h[1:], uint64(len(b)))
	if _, err := p.in.Write(append(h[:9:9], b...)); err != nil {
		return answer{}, fmt.Errorf("send %d bytes to Python: %w", len(b), err)
	}
	if _, err := io.ReadFull(p.out, h[:]); err != nil {
		return answer{}, fmt.Errorf("read the answer of Python: %w", err)
	}
	n := func(i int) uint64 { return binary.LittleEndian.Uint64(h[8*i:]) }
	return answer{int(n(0)), time.Duration(n(1)), time.Duration(n(2))}, nil
}

func (p *peer) close() {
	p.in.Close()
	_ = p.cmd.Wait()
}
