package hour

import "fmt"

// Corrupt says that a stored document or object is not what its hash, its schema or its length promises.
type Corrupt struct {
	Key    string
	Detail string // what is wrong, without payload
}

func (e *Corrupt) Error() string { return fmt.Sprintf("corrupt: %s: %s", e.Key, e.Detail) }

// NewerVersion says that a document was written by a newer release than this one.
type NewerVersion struct {
	Kind       string
	Have, Know int
}

func (e *NewerVersion) Error() string {
	return fmt.Sprintf("%s has version %d, this release reads up to %d: upgrade penstock", e.Kind, e.Have, e.Know)
}
