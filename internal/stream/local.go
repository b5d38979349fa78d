package stream

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"penstock/internal/fault"
)

// Local is a Model kept in a bbolt file. PutRecords and the other changes are answered only when they are committed and
// synced: what was acknowledged survives the death of the process. One process at a time opens a file.
type Local struct {
	*Model
	db *bbolt.DB
}

// lockPatience is how long OpenLocal waits for another process to let go of the file.
const lockPatience = 5 * time.Second

// OpenLocal opens the stream in the file, or makes it there, directory included. Of a stream that exists, seed, shards,
// retention and jitter are what they were; of the options only Now and NoSync count. A file that another process holds
// is a *fault.Unavailable, one that is no stream a *fault.Corrupt.
func OpenLocal(path string, options Options) (*Local, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, openError(path, err)
	}
	db, err := bbolt.Open(path, 0o666, &bbolt.Options{
		Timeout: lockPatience, NoSync: options.NoSync, NoGrowSync: options.NoSync, FreelistType: bbolt.FreelistMapType,
	})
	if err != nil {
		return nil, openError(path, err)
	}
	l, err := openModel(db, path, options)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return l, nil
}

func openModel(db *bbolt.DB, path string, options Options) (*Local, error) {
	log := &boltLog{db: db}
	m := newModel(options, log)
	found, err := log.restore(m, path)
	if err != nil {
		return nil, err
	}
	if !found {
		m.begin()
		if err := log.commit(change{state: m.state}); err != nil {
			return nil, openError(path, err)
		}
		if err := syncFolder(filepath.Dir(path)); err != nil && !options.NoSync {
			return nil, openError(path, err)
		}
	}
	return &Local{m, db}, nil
}

// Close closes the file. Calls after it are a *fault.Unavailable.
func (l *Local) Close() error { return l.db.Close() }

func openError(path string, err error) error {
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		err = errors.New("another process uses it")
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return &fault.Corrupt{Key: path, Detail: err.Error()}
	case errors.Is(err, os.ErrPermission):
		return &fault.AccessDenied{Service: "stream", Action: "open " + path, Err: err}
	}
	return &fault.Unavailable{Service: "stream", Action: "open " + path, Err: err}
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// boltLog keeps the state of a Model as a Snapshot without records under one key, and the records in one bucket a shard,
// by sequence number.
type boltLog struct {
	db   *bbolt.DB
	held int64
}

const (
	metaBucket   = "meta"
	stateKey     = "state"
	heldKey      = "held" // bytes of all records
	recordBucket = "shard-%08x"
)

func bucketName(shard uint32) []byte { return fmt.Appendf(nil, recordBucket, shard) }

func (l *boltLog) bytes() int64 { return l.held }

func (l *boltLog) commit(c change) error {
	state, err := json.Marshal(c.state())
	if err != nil {
		return err
	}
	held := l.held
	err = l.db.Update(func(tx *bbolt.Tx) error {
		for _, p := range c.add {
			bucket, err := tx.CreateBucketIfNotExists(bucketName(p.shard))
			if err != nil {
				return err
			}
			bucket.FillPercent = 0.95 // keys only grow
			if err := bucket.Put([]byte(p.record.Sequence), encodeRecord(p.record)); err != nil {
				return err
			}
			held += p.record.size()
		}
		for _, d := range c.drop {
			n, err := dropRecords(tx, d)
			if err != nil {
				return err
			}
			held -= n
		}
		meta, err := tx.CreateBucketIfNotExists([]byte(metaBucket))
		if err != nil {
			return err
		}
		if err := meta.Put([]byte(heldKey), binary.BigEndian.AppendUint64(nil, uint64(held))); err != nil {
			return err
		}
		return meta.Put([]byte(stateKey), state)
	})
	if err == nil {
		l.held = held
	}
	return err
}

// dropRecords deletes the records of a shard up to a sequence number and returns their size.
func dropRecords(tx *bbolt.Tx, d dropped) (size int64, err error) {
	bucket := tx.Bucket(bucketName(d.shard))
	if bucket == nil {
		return 0, nil
	}
	var keys [][]byte
	cursor := bucket.Cursor()
	k, v := cursor.First()
	for ; k != nil && CompareSequences(string(k), d.upTo) <= 0; k, v = cursor.Next() {
		r, err := decodeRecord(k, v)
		if err != nil {
			return 0, err
		}
		size += r.size()
		keys = append(keys, bytes.Clone(k))
	}
	if k == nil {
		return size, tx.DeleteBucket(bucketName(d.shard))
	}
	for _, k := range keys {
		if err := bucket.Delete(k); err != nil {
			return 0, err
		}
	}
	return size, nil
}

func (l *boltLog) scan(shard uint32, from position, fn func(Record) bool) error {
	return l.db.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(bucketName(shard))
		if bucket == nil {
			return nil
		}
		cursor := bucket.Cursor()
		k, v := cursor.First()
		if len(from.sequence) == sequenceDigits { // as all of ours; others are compared below
			k, v = cursor.Seek([]byte(from.sequence))
		}
		for ; k != nil; k, v = cursor.Next() {
			if !from.before(string(k)) {
				continue
			}
			r, err := decodeRecord(k, v)
			if err != nil {
				return err
			}
			if !fn(r) {
				break
			}
		}
		return nil
	})
}

// encodeRecord: arrival in Unix milliseconds (8 bytes), length of the partition key (2), partition key, data.
func encodeRecord(r Record) []byte {
	b := make([]byte, 0, recordHead+len(r.PartitionKey)+len(r.Data))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Arrival.UnixMilli()))
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.PartitionKey)))
	return append(append(b, r.PartitionKey...), r.Data...)
}

const recordHead = 10

// decodeRecord copies: what bbolt hands out ends with the transaction.
func decodeRecord(k, v []byte) (Record, error) {
	corrupt := &fault.Corrupt{Key: "stream", Detail: fmt.Sprintf("record %.60s", k)}
	if len(v) < recordHead {
		return Record{}, corrupt
	}
	n := int(binary.BigEndian.Uint16(v[8:]))
	if len(v) < recordHead+n {
		return Record{}, corrupt
	}
	return Record{
		Sequence:     string(k),
		PartitionKey: string(v[recordHead : recordHead+n]),
		Arrival:      time.UnixMilli(int64(binary.BigEndian.Uint64(v))).UTC(),
		Data:         append([]byte{}, v[recordHead+n:]...),
	}, nil
}

// restore gives m the state in the file, if there is one.
func (l *boltLog) restore(m *Model, path string) (found bool, err error) {
	var state, held []byte
	err = l.db.View(func(tx *bbolt.Tx) error {
		if meta := tx.Bucket([]byte(metaBucket)); meta != nil {
			state = append(state, meta.Get([]byte(stateKey))...)
			held = append(held, meta.Get([]byte(heldKey))...)
		}
		return nil
	})
	if err != nil {
		return false, openError(path, err)
	}
	if state == nil {
		return false, nil
	}
	snapshot, err := ParseSnapshot(state)
	if err != nil {
		return false, fmt.Errorf("open stream %s: %w", path, err)
	}
	if len(held) != 8 {
		return false, &fault.Corrupt{Key: path, Detail: "no size"}
	}
	l.held = int64(binary.BigEndian.Uint64(held))
	return true, m.load(snapshot)
}
