package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"penstock/internal/fault"
)

// Sizes of a multipart upload. At most uploadsAtOnce+1 parts are in memory: 24 MiB, beyond 8 GiB of body 48 MiB.
const (
	smallPart     = 8 << 20
	largePart     = 16 << 20
	smallParts    = 1000 // how many parts are small
	maxParts      = 10_000
	uploadsAtOnce = 2
)

// part is one uploaded part, as completing the upload names it.
type part struct {
	number      int32
	etag, crc32 string
}

// CreateFrom implements Store. A body below 8 MiB is put at once, a longer one by a multipart upload that is completed
// if the key is absent, and aborted on any failure. When S3 answers that another write of the key is under way (409), the
// whole upload has to be made again: an r that is an io.Seeker is read again from where it stood, another one makes a
// *fault.Unavailable.
func (s *S3) CreateFrom(ctx context.Context, key string, r io.Reader) (Object, error) {
	if err := begin(ctx, CheckKey, key); err != nil {
		return Object{}, err
	}
	rewind := rewinder(r)
	for try := 0; ; try++ {
		o, err := s.createOnce(ctx, key, withContext{ctx, r})
		if !errors.Is(err, errConflict) || try == maxTries-1 {
			return o, err
		}
		if s.head(ctx, key, "") == nil { // the other write is through
			return Object{}, &fault.Exists{Key: key}
		}
		if rewind == nil {
			return Object{}, err
		}
		if err := s.backOff(ctx, try); err != nil {
			return Object{}, err
		}
		if err := rewind(); err != nil {
			return Object{}, err
		}
	}
}

// rewinder returns what brings r back to its present place, nil if nothing can.
func rewinder(r io.Reader) func() error {
	seeker, ok := r.(io.Seeker)
	if !ok {
		return nil
	}
	start, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil
	}
	return func() error {
		_, err := seeker.Seek(start, io.SeekStart)
		return err
	}
}

func (s *S3) createOnce(ctx context.Context, key string, r io.Reader) (Object, error) {
	var first bytes.Buffer
	switch n, err := io.CopyN(&first, r, int64(s.smallPart)); {
	case err == io.EOF && n < int64(s.smallPart):
		return s.Create(ctx, key, first.Bytes())
	case err != nil && err != io.EOF:
		return Object{}, err
	}
	// A body that would only learn at its end that the key exists is not worth sending.
	var absent *fault.NotFound
	var denied *fault.AccessDenied
	switch err := s.head(ctx, key, ""); {
	case err == nil:
		return Object{}, &fault.Exists{Key: key}
	case !errors.As(err, &absent) && !errors.As(err, &denied):
		return Object{}, err
	}
	return s.upload(ctx, key, first.Bytes(), r)
}

func (s *S3) upload(ctx context.Context, key string, first []byte, r io.Reader) (Object, error) {
	id, err := s.beginUpload(ctx, key)
	if err != nil {
		return Object{}, err
	}
	done := false
	defer func() { // also when r panics
		if !done {
			s.abortUpload(ctx, key, id)
		}
	}()
	parts, size, err := s.uploadParts(ctx, key, id, first, r)
	if err != nil {
		return Object{}, err
	}
	o, err := s.completeUpload(ctx, key, id, parts, size)
	if changed := (*fault.Changed)(nil); errors.As(err, &changed) {
		err = &fault.Exists{Key: key}
	}
	done = err == nil
	return o, err
}

// uploadParts reads r to its end while earlier parts are on their way.
func (s *S3) uploadParts(ctx context.Context, key, id string, first []byte, r io.Reader) ([]part, int64, error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(uploadsAtOnce)
	stop, size, parts, err := false, int64(0), make([]*part, 0, 16), error(nil)
	free := make(chan []byte, uploadsAtOnce+1)
	for range uploadsAtOnce {
		free <- nil
	}
	defer group.Wait() // when r panics
	for data := first; !stop; {
		if len(parts) == maxParts {
			err = &fault.BadInput{Detail: fmt.Sprintf("create %s: body of more than %d bytes", key, size)}
			break
		}
		p := &part{number: int32(len(parts) + 1)}
		parts, size = append(parts, p), size+int64(len(data))
		sent := data
		group.Go(func() (err error) {
			*p, err = s.uploadPart(ctx, key, id, p.number, sent)
			free <- sent
			return err
		})
		var buffer []byte
		select {
		case buffer = <-free:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err == nil {
			data, err = s.readPart(r, buffer, len(parts))
		}
		stop = err != nil || len(data) == 0
	}
	// What stopped the reading comes after what stopped the uploading, which also ends the context.
	if uploadErr := group.Wait(); uploadErr != nil {
		return nil, 0, uploadErr
	}
	if err != nil {
		return nil, 0, err
	}
	list := make([]part, len(parts))
	for i, p := range parts {
		list[i] = *p
	}
	return list, size, nil
}

// readPart fills the next part, behind so many others, from r; at r's end it is empty.
func (s *S3) readPart(r io.Reader, buffer []byte, before int) ([]byte, error) {
	size := s.smallPart
	if before >= smallParts {
		size = s.largePart
	}
	if cap(buffer) < size {
		buffer = make([]byte, size)
	}
	n := 0
	for n < size { // not io.ReadFull, which cannot tell r's end from r's own io.ErrUnexpectedEOF
		m, err := r.Read(buffer[n:size])
		n += m
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return buffer[:n], nil
}
