package hadoop

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"

	"penstock/internal/store"
)

// Store is what steps need of an object store; every store.Store has it.
type Store interface {
	List(ctx context.Context, prefix string) iter.Seq2[store.Object, error]
	GetRange(ctx context.Context, key, etag string, off, n int64) (io.ReadCloser, error)
	CreateFrom(ctx context.Context, key string, r io.Reader) (store.Object, error)
}

// Buckets are the stores that s3:// URIs name.
type Buckets map[string]Store

// resolve takes a URI such as s3://bucket/key apart; s3a:// and s3n:// are the
// same.
func (b Buckets) resolve(uri string) (s Store, key string, err error) {
	for _, scheme := range []string{"s3://", "s3a://", "s3n://"} {
		if rest, ok := strings.CutPrefix(uri, scheme); ok {
			bucket, key, _ := strings.Cut(rest, "/")
			if s := b[bucket]; s != nil && key != "" {
				return s, key, nil
			}
			return nil, "", fmt.Errorf("resolve %.200s: no such bucket here, or no key", uri)
		}
	}
	return nil, "", fmt.Errorf("resolve %.200s: want s3://bucket/key", uri)
}

// input is one object to read.
type input struct {
	store Store
	store.Object
	preloaded []byte // its bytes, if they were read before
}

const maxInputs = 100_000

// glob lists the objects that a URI names, in key order: by a pattern, a key, or
// a folder. Names that begin with '_' or '.' are not input.
func (b Buckets) glob(ctx context.Context, uri string) ([]input, error) {
	s, pattern, err := b.resolve(uri)
	if err != nil {
		return nil, err
	}
	prefix := pattern
	if i := strings.IndexAny(pattern, "*?[\\"); i >= 0 {
		prefix = pattern[:i]
	}
	folder := strings.TrimSuffix(pattern, "/") + "/*"
	var found []input
	for o, err := range s.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", uri, err)
		}
		if name := path.Base(o.Key); name[0] == '_' || name[0] == '.' {
			continue
		}
		matched, err := path.Match(pattern, o.Key)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", uri, err)
		}
		if !matched && prefix == pattern { // no pattern: a folder
			matched = path.Dir(o.Key)+"/*" == folder
		}
		if matched {
			found = append(found, input{store: s, Object: o})
		}
		if len(found) > maxInputs {
			return nil, fmt.Errorf("list %s: more than %d objects", uri, maxInputs)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("list %s: Input Pattern matches 0 files", uri)
	}
	return found, nil
}

// open returns the object's bytes as they are stored.
func (in *input) open(ctx context.Context) (io.ReadCloser, error) {
	if in.preloaded != nil {
		return io.NopCloser(bytes.NewReader(in.preloaded)), nil
	}
	r, err := in.store.GetRange(ctx, in.Key, in.ETag, 0, -1)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", in.Key, err)
	}
	return r, nil
}
