package ledger

import (
	"context"
	"fmt"

	"penstock/internal/fault"
	"penstock/internal/hour"
)

// ReadSeal reads the seal that an entry names, and holds it against the hash there.
func (l *Ledger) ReadSeal(ctx context.Context, ref hour.Ref) (*hour.Seal, error) {
	b, _, err := l.Store.Get(ctx, ref.Key, hour.MaxDocument)
	if err != nil {
		return nil, fmt.Errorf("read seal: %w", err)
	}
	if hour.SHA256(b) != ref.SHA256 {
		return nil, &fault.Corrupt{Key: ref.Key, Detail: "seal is not the one that the ledger names"}
	}
	return l.Keys.DecodeSeal(ref.Key, b)
}
