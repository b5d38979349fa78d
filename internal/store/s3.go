package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"penstock/internal/fault"
)

// S3API is what S3 needs of *s3.Client.
type S3API interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	CreateMultipartUpload(context.Context, *s3.CreateMultipartUploadInput, ...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error)
	UploadPart(context.Context, *s3.UploadPartInput, ...func(*s3.Options)) (*s3.UploadPartOutput, error)
	CompleteMultipartUpload(context.Context, *s3.CompleteMultipartUploadInput, ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error)
	AbortMultipartUpload(context.Context, *s3.AbortMultipartUploadInput, ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error)
}

// S3Options of an S3.
type S3Options struct {
	// Timeout limits each call, the client's own retries included, and each pause of a body; 0 is a minute. Completing a
	// multipart upload has five times as much.
	Timeout time.Duration
	// Jitter gives the random part of a back-off, from 0 to 1. Required.
	Jitter func() float64
	// Sleep waits between tries; nil waits on the real clock. It returns the context's error when that ends first.
	Sleep func(context.Context, time.Duration) error
	// NoChecksums leaves out the SDK's default CRC32 checksums, which some emulators do not understand.
	NoChecksums bool
}

// S3 is a Store in a bucket. Writes are conditional: PutObject and CompleteMultipartUpload with If-None-Match or
// If-Match. S3 answers 412 when the condition does not hold, which after a retry inside the client may be one's own
// first attempt (see Store.Create), and 409 when another write of the key is under way, after which S3 tries again a few
// times. Keys of the bucket that are not legal here (as a console's folders) are not listed. Create and Replace do not
// learn Modified.
type S3 struct {
	api     S3API
	bucket  string
	options S3Options

	smallPart, largePart int // bytes
}

var (
	_ Store = (*S3)(nil)
	_ S3API = (*s3.Client)(nil)
)

// NewS3 returns the store in a bucket.
func NewS3(api S3API, bucket string, options S3Options) *S3 {
	options.Timeout = cmp.Or(options.Timeout, time.Minute)
	if options.Sleep == nil {
		options.Sleep = sleep
	}
	return &S3{api, bucket, options, smallPart, largePart}
}

func (s *S3) configure(o *s3.Options) {
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenSupported
	if s.options.NoChecksums {
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	}
}

// List implements Store.
func (s *S3) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if err := begin(ctx, CheckPrefix, prefix); err != nil {
			yield(Object{}, err)
			return
		}
		last := ""
		var token *string
		for {
			page, err := s.page(ctx, prefix, token)
			if err != nil {
				yield(Object{}, err)
				return
			}
			for _, item := range page.Contents {
				o := Object{aws.ToString(item.Key), aws.ToInt64(item.Size), unquote(item.ETag), aws.ToTime(item.LastModified).UTC()}
				if CheckKey(o.Key) != nil {
					continue
				}
				if o.Key <= last {
					yield(Object{}, &fault.Corrupt{Key: s.bucket, Detail: fmt.Sprintf("listing of %q is out of order at %s", prefix, o.Key)})
					return
				}
				if last = o.Key; !yield(o, nil) {
					return
				}
			}
			if !aws.ToBool(page.IsTruncated) {
				return
			}
			if token = page.NextContinuationToken; aws.ToString(token) == "" {
				yield(Object{}, &fault.Unavailable{Service: "s3", Action: "list " + prefix, Err: errors.New("a truncated page without a token")})
				return
			}
		}
	}
}

func (s *S3) page(ctx context.Context, prefix string, token *string) (page *s3.ListObjectsV2Output, err error) {
	err = s.call(ctx, "list", prefix, s.options.Timeout, func(ctx context.Context) error {
		page, err = s.api.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix, ContinuationToken: token}, s.configure)
		return err
	})
	return page, err
}

// Get implements Store.
func (s *S3) Get(ctx context.Context, key string, max int64) ([]byte, Object, error) {
	if err := begin(ctx, CheckKey, key); err != nil {
		return nil, Object{}, err
	}
	body, err := s.open(ctx, key, "", 0, -1)
	if err != nil {
		return nil, Object{}, err
	}
	defer body.Close()
	if body.object.Size > max {
		return nil, Object{}, tooLarge(key, body.object.Size, max)
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, Object{}, err
	}
	return data, body.object, nil
}

// GetRange implements Store. When the body breaks off, it is opened again where it stopped, if the object still is the
// same version; a few times without progress make a *fault.Unavailable.
func (s *S3) GetRange(ctx context.Context, key, etag string, off, n int64) (io.ReadCloser, error) {
	if off < 0 {
		return nil, negativeOffset(key, off)
	}
	if err := begin(ctx, CheckKey, key); err != nil {
		return nil, err
	}
	if n == 0 { // HTTP has no empty ranges
		return empty(), s.head(ctx, key, etag)
	}
	body, err := s.open(ctx, key, etag, off, n)
	if errors.Is(err, errRange) { // it begins at or after the end; of the right version?
		return empty(), s.head(ctx, key, etag)
	}
	if err != nil {
		return nil, err
	}
	return body, nil
}

func empty() io.ReadCloser { return io.NopCloser(bytes.NewReader(nil)) }

// head asks whether an object stands, in the version etag if that is given.
func (s *S3) head(ctx context.Context, key, etag string) error {
	return s.call(ctx, "head", key, s.options.Timeout, func(ctx context.Context) error {
		out, err := s.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key, IfMatch: quote(etag)}, s.configure)
		if err == nil && etag != "" && unquote(out.ETag) != etag {
			return errPrecondition
		}
		return err
	})
}

// get begins to read a body, whose context is ctx until it is closed.
func (s *S3) get(ctx context.Context, key, etag string, off, n int64) (io.ReadCloser, Object, error) {
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: &key, IfMatch: quote(etag)}
	switch {
	case n >= 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", off, off+n-1))
	case off > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", off))
	}
	out, err := s.api.GetObject(ctx, in, s.configure, func(o *s3.Options) {
		if in.Range != nil { // checksums are of whole objects; some servers send them with ranges, too
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		}
	})
	if err != nil {
		return nil, Object{}, err
	}
	if etag != "" && unquote(out.ETag) != etag { // a server that does not know If-Match
		return nil, Object{}, errors.Join(errPrecondition, out.Body.Close())
	}
	size := int64(-1)
	if out.ContentLength != nil {
		size = *out.ContentLength
	}
	return out.Body, Object{key, size, unquote(out.ETag), aws.ToTime(out.LastModified).UTC()}, nil
}

// Create implements Store.
func (s *S3) Create(ctx context.Context, key string, data []byte) (Object, error) {
	if err := begin(ctx, CheckKey, key); err != nil {
		return Object{}, err
	}
	o, err := s.put(ctx, key, data, "")
	if changed := (*fault.Changed)(nil); errors.As(err, &changed) {
		err = &fault.Exists{Key: key}
	}
	return o, err
}

// Replace implements Store.
func (s *S3) Replace(ctx context.Context, key, etag string, data []byte) (Object, error) {
	if err := begin(ctx, CheckKey, key); err != nil {
		return Object{}, err
	}
	o, err := s.put(ctx, key, data, etag)
	if absent := (*fault.NotFound)(nil); errors.As(err, &absent) {
		err = &fault.Changed{Key: key}
	}
	return o, err
}

// put writes data if the present version is etag, "" for none; if not, it answers Changed.
func (s *S3) put(ctx context.Context, key string, data []byte, etag string) (Object, error) {
	in := s3.PutObjectInput{Bucket: &s.bucket, Key: &key, ContentLength: aws.Int64(int64(len(data))), IfMatch: quote(etag)}
	if etag == "" {
		in.IfNoneMatch = aws.String("*")
	}
	for try := 0; ; try++ {
		in.Body = bytes.NewReader(data) // seekable: a signed checksum header instead of a trailer
		var out *s3.PutObjectOutput
		err := s.call(ctx, "put", key, s.options.Timeout, func(ctx context.Context) (err error) {
			out, err = s.api.PutObject(ctx, &in, s.configure)
			return err
		})
		if err == nil {
			return Object{Key: key, Size: int64(len(data)), ETag: unquote(out.ETag)}, nil
		}
		if !errors.Is(err, errConflict) || try == maxTries-1 {
			return Object{}, err
		}
		if err := s.backOff(ctx, try); err != nil {
			return Object{}, err
		}
	}
}

// Delete implements Store.
func (s *S3) Delete(ctx context.Context, key string) error {
	if err := begin(ctx, CheckKey, key); err != nil {
		return err
	}
	err := s.call(ctx, "delete", key, s.options.Timeout, func(ctx context.Context) error {
		_, err := s.api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key}, s.configure)
		return err
	})
	if absent := (*fault.NotFound)(nil); errors.As(err, &absent) {
		return nil
	}
	return err
}

// beginUpload, uploadPart, completeUpload and abortUpload are the calls of a multipart upload; see upload.
func (s *S3) beginUpload(ctx context.Context, key string) (id string, err error) {
	err = s.call(ctx, "begin upload of", key, s.options.Timeout, func(ctx context.Context) error {
		in := &s3.CreateMultipartUploadInput{Bucket: &s.bucket, Key: &key}
		if !s.options.NoChecksums { // else S3 refuses the parts' checksums when the upload is completed (InvalidPart)
			in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32
		}
		out, err := s.api.CreateMultipartUpload(ctx, in, s.configure)
		if err == nil {
			id = aws.ToString(out.UploadId)
		}
		return err
	})
	return id, err
}

func (s *S3) uploadPart(ctx context.Context, key, id string, number int32, data []byte) (part, error) {
	p := part{number: number}
	action := fmt.Sprintf("upload part %d of", number)
	err := s.call(ctx, action, key, s.options.Timeout, func(ctx context.Context) error {
		out, err := s.api.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &s.bucket, Key: &key, UploadId: &id, PartNumber: &number,
			Body: bytes.NewReader(data), ContentLength: aws.Int64(int64(len(data))),
		}, s.configure)
		if err == nil {
			p.etag, p.crc32 = aws.ToString(out.ETag), aws.ToString(out.ChecksumCRC32)
		}
		return err
	})
	return p, err
}

func (s *S3) completeUpload(ctx context.Context, key, id string, parts []part, size int64) (Object, error) {
	done := make([]types.CompletedPart, len(parts))
	for i, p := range parts {
		done[i] = types.CompletedPart{PartNumber: aws.Int32(p.number), ETag: aws.String(p.etag)}
		if p.crc32 != "" {
			done[i].ChecksumCRC32 = aws.String(p.crc32)
		}
	}
	o := Object{Key: key, Size: size}
	err := s.call(ctx, "complete upload of", key, 5*s.options.Timeout, func(ctx context.Context) error {
		out, err := s.api.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &s.bucket, Key: &key, UploadId: &id, MpuObjectSize: &size, IfNoneMatch: aws.String("*"),
			MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
		}, s.configure)
		if err == nil {
			o.ETag = unquote(out.ETag)
		}
		return err
	})
	return o, err
}

// abortUpload lets go of the parts, also when ctx has ended. The upload's own error is what the caller has to know; what
// an abort leaves, the bucket's lifecycle rule for incomplete uploads removes.
func (s *S3) abortUpload(ctx context.Context, key, id string) {
	ctx = context.WithoutCancel(ctx)
	_ = s.call(ctx, "abort upload of", key, min(s.options.Timeout, 10*time.Second), func(ctx context.Context) error {
		_, err := s.api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: &key, UploadId: &id}, s.configure)
		return err
	})
}

func quote(etag string) *string {
	if etag == "" {
		return nil
	}
	return aws.String(`"` + etag + `"`)
}

func unquote(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }
