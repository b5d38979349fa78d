package storefault

import (
	"context"
	"io"
	"iter"

	"penstock/internal/store"
)

// Faulty is a store whose calls are a Process'.
type Faulty struct {
	process *Process
	seam    string
	inner   store.Store
}

var _ store.Store = (*Faulty)(nil)

// Wrap decorates a store under a name of its own; several stores of one process share its schedule.
func (p *Process) Wrap(seam string, inner store.Store) *Faulty { return &Faulty{p, seam, inner} }

func (f *Faulty) op(action, key string, write bool) Op {
	return Op{Seam: f.seam, Action: action, Key: key, Write: write}
}

// List implements store.Store. A lost answer is a listing that ends in an error after its first half.
func (f *Faulty) List(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		op := f.op("List", prefix, false)
		outcome, err := f.process.begin(ctx, &op)
		if err != nil {
			yield(store.Object{}, err)
			return
		}
		if !outcome.Lose && !outcome.DieAfter {
			f.inner.List(ctx, prefix)(yield)
			return
		}
		var list []store.Object
		for o, err := range f.inner.List(ctx, prefix) {
			if err != nil {
				yield(store.Object{}, err)
				return
			}
			list = append(list, o)
		}
		for _, o := range list[:len(list)/2] {
			if !yield(o, nil) {
				return
			}
		}
		yield(store.Object{}, f.process.end(op, outcome, nil))
	}
}

// Get implements store.Store.
func (f *Faulty) Get(ctx context.Context, key string, max int64) (data []byte, o store.Object, err error) {
	err = f.process.Do(ctx, f.op("Get", key, false), func() error {
		data, o, err = f.inner.Get(ctx, key, max)
		return err
	})
	if err != nil {
		return nil, store.Object{}, err
	}
	return data, o, nil
}

// cutAfter is where the body of a GetRange whose answer is lost breaks off.
const cutAfter = 1000

// GetRange implements store.Store. A lost answer is a body that breaks off after 1 000 bytes.
func (f *Faulty) GetRange(ctx context.Context, key, etag string, off, n int64) (io.ReadCloser, error) {
	op := f.op("GetRange", key, false)
	outcome, err := f.process.begin(ctx, &op)
	if err != nil {
		return nil, err
	}
	r, err := f.inner.GetRange(ctx, key, etag, off, n)
	if err == nil && outcome.Lose {
		return &cutBody{io.LimitReader(r, cutAfter), r, outcome.Err}, nil
	}
	if err := f.process.end(op, outcome, err); err != nil {
		return nil, err
	}
	return r, nil
}

type cutBody struct {
	io.Reader
	io.Closer
	err error
}

func (c *cutBody) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err == io.EOF {
		err = c.err
	}
	return n, err
}

// Create implements store.Store.
func (f *Faulty) Create(ctx context.Context, key string, data []byte) (store.Object, error) {
	return f.write(ctx, "Create", key, func() (store.Object, error) { return f.inner.Create(ctx, key, data) })
}

// CreateFrom implements store.Store.
func (f *Faulty) CreateFrom(ctx context.Context, key string, r io.Reader) (store.Object, error) {
	return f.write(ctx, "CreateFrom", key, func() (store.Object, error) { return f.inner.CreateFrom(ctx, key, r) })
}

// Replace implements store.Store.
func (f *Faulty) Replace(ctx context.Context, key, etag string, data []byte) (store.Object, error) {
	return f.write(ctx, "Replace", key, func() (store.Object, error) { return f.inner.Replace(ctx, key, etag, data) })
}

// Delete implements store.Store.
func (f *Faulty) Delete(ctx context.Context, key string) error {
	return f.process.Do(ctx, f.op("Delete", key, true), func() error { return f.inner.Delete(ctx, key) })
}

func (f *Faulty) write(ctx context.Context, action, key string, call func() (store.Object, error)) (o store.Object, err error) {
	err = f.process.Do(ctx, f.op(action, key, true), func() error {
		o, err = call()
		return err
	})
	if err != nil {
		return store.Object{}, err
	}
	return o, nil
}
