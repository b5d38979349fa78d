package main

import (
	"fmt"
	"hash/fnv"
	"time"

	"penstock/internal/generate"
)

// shards is the number of shards that the generated events are spread over. What is measured are objects of one.
const shards = 10

// events returns n events of one shard, one a line.
func events(seed uint64, n int) ([][]byte, error) {
	g, err := generate.New(generate.Config{
		Seed: seed, Start: time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC), Duration: time.Hour, Events: n*shards + n*shards/4, MangledEvery: -1,
	})
	if err != nil {
		return nil, err
	}
	var lines [][]byte
	for len(lines) < n {
		e, ok := g.Next()
		if !ok {
			return nil, fmt.Errorf("generate %d events of one of %d shards: the events ran out at %d", n, shards, len(lines))
		}
		h := fnv.New32a()
		h.Write([]byte(e.Key))
		if h.Sum32()%shards == 0 {
			lines = append(lines, append(e.Data[:len(e.Data):len(e.Data)], '\n'))
		}
	}
	return lines, nil
}

// objects joins lines into objects of n lines each.
func objects(lines [][]byte, n int) [][]byte {
	var out [][]byte
	for len(lines) >= n {
		var b []byte
		for _, l := range lines[:n] {
			b = append(b, l...)
		}
		out = append(out, b)
		lines = lines[n:]
	}
	return out
}
