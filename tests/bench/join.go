package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"penstock/internal/bzip2"
)

// joinObjects is the number of objects of the hour that is compacted, one in a hundred of which overlaps another.
const joinObjects = 100

// hourOf returns compressed objects of 1 000 records each; ten different ones, again and again.
func hourOf(lines [][]byte) (streams [][]byte, raw int) {
	var e bzip2.Encoder
	for _, o := range objects(lines, 1000) {
		streams = append(streams, e.Encode(nil, o))
		raw += len(o)
	}
	for n := len(streams); len(streams) < joinObjects; {
		streams = append(streams, streams[len(streams)-n])
	}
	return streams, raw * joinObjects / 10
}

// joinStreams joins the streams; one in overlap of them, unless that is 0, is decoded, cut and encoded again.
func joinStreams(j *bzip2.Joiner, r *bzip2.Reader, buf []byte, streams [][]byte, overlap int) error {
	j.Reset(io.Discard)
	for i, s := range streams {
		if overlap == 0 || i%overlap != overlap/2 {
			if _, err := j.Add(bytes.NewReader(s)); err != nil {
				return err
			}
			continue
		}
		r.Reset(bytes.NewReader(s))
		if _, err := io.CopyN(io.Discard, r, 5000); err != nil {
			return err
		}
		if _, err := io.CopyBuffer(j, struct{ io.Reader }{r}, buf); err != nil {
			return err
		}
	}
	return j.Close()
}

// join measures the processor time of joining an hour against decoding and encoding it.
func (b *bench) join(lines [][]byte) error {
	streams, raw := hourOf(lines)
	again, err := newRecompress(1)
	if err != nil {
		return err
	}
	var j bzip2.Joiner
	r, err := bzip2.NewReader(nil, bzip2.ReaderConfig{})
	if err != nil {
		return err
	}
	buf := make([]byte, 256<<10)
	for _, c := range []struct {
		name    string
		overlap int
		gate    float64
		repeat  int
	}{{"join / decode and encode, CPU", 0, 1.0 / 150, 20}, {"join with 1 % overlaps / decode and encode, CPU", 100, 1.0 / 40, 5}} {
		if err := joinStreams(&j, r, buf, streams, c.overlap); err != nil {
			return err
		}
		f := figure{name: c.name, gate: c.gate, atMost: true}
		if err := b.add(f, func() (float64, string, error) {
			var err error
			fast := cpuOf(func() {
				for range c.repeat {
					if err == nil {
						err = joinStreams(&j, r, buf, streams, c.overlap)
					}
				}
			})
			if err != nil {
				return 0, "", err
			}
			part := streams[:joinObjects/5] // of equal objects: a fifth takes a fifth
			slow := cpuOf(func() { err = again.run(part...) }) * 5
			ratio := float64(fast) / float64(c.repeat) / float64(slow)
			return ratio, fmt.Sprintf("1/%.0f; %.0f MB raw", 1/ratio, float64(raw)/1e6), err
		}); err != nil {
			return err
		}
	}
	return nil
}

// joinChild is set in the environment of the child process that joinMemory measures: the number of objects to join.
const joinChild = "PENSTOCK_BENCH_JOIN"

// joinMemory measures the peak memory of a process that joins a gigabyte, on two goroutines where it encodes.
func (b *bench) joinMemory(lines [][]byte) error {
	f := figure{name: "join peak memory", gate: 64, atMost: true, unit: " MiB"}
	if !b.wants(f.name) {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	stream := new(bzip2.Encoder).Encode(nil, objects(lines, 1000)[0])
	var values []float64
	for _, n := range []int{1000, 25_000} {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", joinChild, n))
		cmd.Stdin, cmd.Stderr = bytes.NewReader(stream), os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("join %d objects in a child process: %w", n, err)
		}
		var size int64
		var peak float64
		if _, err := fmt.Sscan(string(out), &size, &peak); err != nil {
			return fmt.Errorf("read the child's answer %q: %w", out, err)
		}
		values = append(values, peak/(1<<20))
		f.note = strings.TrimPrefix(f.note+fmt.Sprintf(", %.1f MiB for %d MB", peak/(1<<20), size/1e6), ", ")
	}
	if f.value = max(values[0], values[1]); f.value == 0 {
		f.missing = "no /proc/self/status"
	}
	b.figures = append(b.figures, f)
	return nil
}

// runJoinChild joins n times the stream of its input and prints the size of the result and the process's peak memory
// in bytes.
func runJoinChild(count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	stream, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var size counter
	j := bzip2.NewJoiner(&size)
	j.Procs = 2
	r, err := bzip2.NewReader(nil, bzip2.ReaderConfig{})
	if err != nil {
		return err
	}
	for i := range n {
		if i%100 == 50 && i < 3000 {
			r.Reset(bytes.NewReader(stream))
			_, err = j.AddRaw(r)
		} else {
			_, err = j.Add(bytes.NewReader(stream))
		}
		if err != nil {
			return err
		}
	}
	if err := j.Close(); err != nil {
		return err
	}
	fmt.Println(int64(size), peakMemory())
	return nil
}

// counter counts the bytes written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}
