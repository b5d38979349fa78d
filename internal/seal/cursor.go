package seal

import "penstock/internal/hour"

// Cursor is how far the stream was read without meeting an unarchived record of the hour: a shard that holds more than
// one call reads is proved in several. It travels through the machine's state. A record that was archived, or given up,
// stays so, which is why what a cursor skips need not be looked at again.
type Cursor struct {
	Full   bool                     `json:"full"` // it began at the hour's begin, not behind what was archived
	Shards map[string]hour.Sequence `json:"shards,omitempty"`
}

// maxCursor is of how many shards a cursor tells, at some 90 bytes each: the state of a machine is limited to 256 KiB.
// The others are read again.
const maxCursor = 500

// of returns where the reading of a shard goes on, "" for the begin. A cursor behind what was archived says nothing of
// what lies before it.
func (c Cursor) of(shard string, full bool) hour.Sequence {
	if full && !c.Full {
		return ""
	}
	return c.Shards[shard]
}

func (c *Cursor) set(shard string, s hour.Sequence) {
	if s == "" || len(c.Shards) >= maxCursor {
		return
	}
	if c.Shards == nil {
		c.Shards = map[string]hour.Sequence{}
	}
	c.Shards[shard] = s
}
