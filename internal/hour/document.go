package hour

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Version is the version that every document carries. It rises when an older release could misread a newer document;
// fields that an older release may ignore do not raise it.
const Version = 1

// MaxDocument is the largest document that is read, in bytes.
const MaxDocument = 64 << 20

// SHA256 returns the hex SHA-256 of b.
func SHA256(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

const hashField = `,"hash":"`

// Encode writes a document as one line of JSON that ends with the SHA-256 of all that stands before its hash.
func Encode(doc any) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(doc); err != nil {
		panic(fmt.Sprintf("encode %T: %v", doc, err)) // documents are plain structs
	}
	b := bytes.TrimSuffix(buf.Bytes(), []byte("}\n"))
	sum := SHA256(b)
	return append(b, hashField+sum+"\"}\n"...)
}

// Decode reads a document that Encode wrote: its hash must hold and its version must not be newer than Version. kind
// and key name it in errors, which are *Corrupt and *NewerVersion.
func Decode(kind, key string, b []byte, doc any) error {
	i := bytes.LastIndex(b, []byte(hashField))
	if i < 0 {
		return &Corrupt{Key: key, Detail: kind + " is not a document"}
	}
	// The hash stands where it does in every version, so that a damaged version is not taken for a newer one.
	if string(b[i:]) != hashField+SHA256(b[:i])+"\"}\n" {
		return &Corrupt{Key: key, Detail: kind + " does not have the hash it states"}
	}
	var v struct {
		Version int `json:"version"`
	}
	switch err := json.Unmarshal(b, &v); {
	case err != nil || v.Version < 1:
		return &Corrupt{Key: key, Detail: kind + " has no version"}
	case v.Version > Version:
		return &NewerVersion{Kind: kind, Have: v.Version, Know: Version}
	}
	if err := json.Unmarshal(b, doc); err != nil {
		return &Corrupt{Key: key, Detail: kind + " has a field of the wrong type"}
	}
	return nil
}

// File names stored bytes by key, size, version and content.
type File struct {
	Key    string `json:"key"`
	Size   int64  `json:"size"` // bytes
	ETag   string `json:"etag,omitempty"`
	SHA256 string `json:"sha256,omitempty"` // hex
}

// Ref names a document by key and content.
type Ref struct {
	Key    string `json:"key"`
	SHA256 string `json:"sha256"`
}

// Time is an instant in UTC to the millisecond, written as 2026-11-23T07:00:00.000Z.
type Time struct{ time.Time }

const timeLayout = "2006-01-02T15:04:05.000Z"

// At returns t as it stands in documents.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Millisecond)} }

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.UTC().Format(timeLayout)), nil }

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(`"` + t.UTC().Format(timeLayout) + `"`), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Time) UnmarshalJSON(b []byte) error {
	v, err := time.Parse(timeLayout, strings.Trim(string(b), `"`))
	if err == nil {
		t.Time = v
	}
	return err
}

// ExecutionName is the name of the n-th execution for an hour.
func ExecutionName(h Hour, n int) string { return fmt.Sprintf("%s-%d", h, n) }

// Input is what an execution of the hour machine gets; the hour alone suffices.
type Input struct {
	Hour    Hour    `json:"hour"`
	N       int     `json:"n,omitempty"` // 0: the next
	Options Options `json:"options"`
}
