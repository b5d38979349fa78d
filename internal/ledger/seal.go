package ledger

import (
	"context"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/store"
)

// Getter reads documents whole.
type Getter interface {
	Get(ctx context.Context, key string, max int64) ([]byte, store.Object, error)
}

// ReadSeal reads a seal that a ledger names and holds it against the hash that stands there; a seal that differs is a
// *fault.Corrupt.
func ReadSeal(ctx context.Context, from Getter, keys hour.Keys, ref hour.Ref) (*hour.Seal, error) {
	data, _, err := from.Get(ctx, ref.Key, hour.MaxDocument)
	if err != nil {
		return nil, err
	}
	if hour.SHA256(data) != ref.SHA256 {
		return nil, &fault.Corrupt{Key: ref.Key, Detail: "seal is not the one that the ledger names"}
	}
	return keys.DecodeSeal(ref.Key, data)
}
