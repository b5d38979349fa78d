package archive

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"penstock/internal/hour"
	"penstock/internal/store"
)

// log notes the keys in the order in which they are created.
type keyLog struct {
	*store.Memory
	keys []string
}

func (l *keyLog) Create(ctx context.Context, key string, data []byte) (store.Object, error) {
	l.keys = append(l.keys, key)
	return l.Memory.Create(ctx, key, data)
}

func TestHoursOfABatchAreCommittedInTheirOrderWhateverTheirRecords(t *testing.T) {
	keys, err := hour.NewKeys("player_events")
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.Unix(1_800_000_000, 0) }
	l := &keyLog{Memory: store.NewMemory(now)}
	h, err := New(Config{Store: l, Keys: keys, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	end := int64(1_799_996_400) // an hour's end: the first record arrived after it, the second before
	payload := `{"Records":[`
	for i, at := range []int64{end, end - 1, end + 120} {
		if i > 0 {
			payload += ","
		}
		payload += fmt.Sprintf(`{"eventID":"shardId-000000000000:%d","kinesis":{"sequenceNumber":"%d","data":"e30=","approximateArrivalTimestamp":%d}}`, i+1, i+1, at)
	}
	if _, err := h.Invoke(context.Background(), []byte(payload+"]}")); err != nil {
		t.Fatal(err)
	}
	var hours []hour.Hour
	for _, key := range l.keys {
		if s, ok := keys.ParseIndexKey(key); ok {
			hours = append(hours, s.Hour)
		}
	}
	if len(hours) != 2 || !slices.IsSortedFunc(hours, func(a, b hour.Hour) int { return a.Sub(b) }) {
		t.Errorf("hours were committed in the order %v", hours)
	}
}
