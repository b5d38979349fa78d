package store

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

// ETag is the version that the memory and the directory store give to an object: the first 16 bytes of the content's
// SHA-256 in hex, so that it is the same on every machine and in every run. S3 gives ETags of its own.
func ETag(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

func etagOf(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)[:16]) }
