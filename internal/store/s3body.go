package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"penstock/internal/fault"
)

// s3Body reads an object or a range of it, across broken connections.
type s3Body struct {
	store  *S3
	ctx    context.Context // the caller's
	key    string
	off    int64  // of the next byte
	left   int64  // bytes still to come; -1 where the server did not say
	tries  int    // without progress
	object Object // as the first answer describes it

	body     io.ReadCloser // nil when it broke
	limited  context.Context
	cancel   context.CancelCauseFunc
	watchdog *time.Timer // ends limited when nothing comes
	err      error
}

// open begins to read n bytes (n < 0: all) from off of the version etag ("" for any).
func (s *S3) open(ctx context.Context, key, etag string, off, n int64) (*s3Body, error) {
	b := &s3Body{store: s, ctx: ctx, key: key, off: off, left: n}
	if err := b.connect(etag); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *s3Body) connect(etag string) error {
	b.limited, b.cancel = context.WithCancelCause(b.ctx)
	b.watchdog = time.AfterFunc(b.store.options.Timeout, func() { b.cancel(errTimeout) })
	body, o, err := b.store.get(b.limited, b.key, etag, b.off, b.left)
	b.watchdog.Stop()
	if err != nil {
		err = b.store.classify(b.ctx, b.limited, "get", b.key, err)
		b.cancel(nil)
		return err
	}
	b.body = body
	if b.object.Key == "" {
		b.object, b.left = o, o.Size
	} else if o.Size != b.left { // a server that does not know ranges
		b.disconnect()
		return &fault.Corrupt{Key: b.key, Detail: fmt.Sprintf("%d bytes from %d on, expected %d", o.Size, b.off, b.left)}
	}
	return nil
}

// Read implements io.Reader.
func (b *s3Body) Read(p []byte) (int, error) {
	for b.err == nil {
		if b.body == nil {
			b.err = b.reopen()
			continue
		}
		n, err := b.readSome(p)
		if n > 0 {
			b.tries = 0
			return n, nil
		}
		switch {
		case err == nil:
			return 0, nil
		case b.ctx.Err() != nil:
			b.err = b.ctx.Err()
		case err == io.EOF && b.left <= 0:
			b.err = io.EOF
		case b.left == 0: // all bytes came, and the client finds that they are not what was sent
			b.err = &fault.Unavailable{Service: "s3", Action: "get " + b.key, Err: err}
		case b.left < 0:
			b.err = &fault.Unavailable{Service: "s3", Action: "get " + b.key + " of unknown length", Err: err}
		default:
			b.disconnect()
		}
	}
	return 0, b.err
}

func (b *s3Body) readSome(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b.watchdog.Reset(b.store.options.Timeout)
	n, err := b.body.Read(p)
	b.watchdog.Stop()
	if b.left >= 0 {
		if int64(n) > b.left {
			n, err = 0, errors.New("more bytes than announced")
			b.left = 0
		}
		b.left -= int64(n)
	}
	b.off += int64(n)
	return n, err
}

func (b *s3Body) reopen() error {
	if b.tries++; b.tries > maxTries {
		return &fault.Unavailable{Service: "s3", Action: "get " + b.key, Err: io.ErrUnexpectedEOF}
	}
	if err := b.store.backOff(b.ctx, b.tries-1); err != nil {
		return err
	}
	err := b.connect(b.object.ETag)
	if again := (*fault.Unavailable)(nil); errors.As(err, &again) && b.tries < maxTries && !errors.Is(err, errRange) {
		return nil // connect is tried once more by Read
	}
	return err
}

func (b *s3Body) disconnect() {
	if b.body != nil {
		b.body.Close()
		b.body = nil
	}
	b.cancel(nil)
}

// Close implements io.Closer.
func (b *s3Body) Close() error {
	b.watchdog.Stop()
	b.disconnect()
	if b.err == nil {
		b.err = errors.New("read after close")
	}
	return nil
}
