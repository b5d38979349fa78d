package hour

import "strings"

// ConflictPrefix is the prefix, in the failure bucket, of deliveries that disagree with the archive.
const ConflictPrefix = "conflicts/"

// ConflictKey is the key, in the failure bucket, of a delivery that disagrees with the index that stands for its
// records; hash is the first 12 hex digits of its records hash.
func (k Keys) ConflictKey(s Span, hash string) string {
	return ConflictPrefix + k.IndexKey(s) + "." + hash + ".json"
}

// ParseConflictKey reads a conflict's key.
func (k Keys) ParseConflictKey(key string) (s Span, hash string, ok bool) {
	rest, ok := strings.CutPrefix(key, ConflictPrefix)
	if !ok {
		return Span{}, "", false
	}
	if rest, ok = strings.CutSuffix(rest, ".json"); !ok {
		return Span{}, "", false
	}
	i := strings.LastIndexByte(rest, '.')
	if i < 0 || !isHash(rest[i+1:], 12) {
		return Span{}, "", false
	}
	s, ok = k.ParseIndexKey(rest[:i])
	return s, rest[i+1:], ok
}
