package replay

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"penstock/internal/bzip2"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/seal"
)

// Limits of a batch's rejects, as the other stages have them.
const (
	maxObject  = 64 << 20  // bytes, compressed
	maxRejects = 256 << 20 // bytes, decoded
	maxLine    = 16 << 20  // bytes of one
)

// Rejects says what became of an hour's rejects.
type Rejects struct {
	Hour     hour.Hour      `json:"hour"`
	Rejects  int            `json:"rejects"`  // before
	Repaired int            `json:"repaired"` // of them, that are good now; of a dry run, that would be
	Events   int            `json:"events"`   // what they became
	Still    map[string]int `json:"still"`    // rejects that stay, by reason
}

// rejects reads the rejects of the range's hours again.
func (h *Handler) rejects(ctx context.Context, in Request, r *Report, touched map[hour.Hour]bool) error {
	hours, err := h.withRejects(ctx, *in.Range)
	if err != nil {
		return err
	}
	for _, of := range hours {
		one, err := h.repairHour(ctx, of, in.DryRun)
		if err != nil {
			return fmt.Errorf("read rejects of hour %s: %w", of, err)
		}
		touched[of] = touched[of] || one.Repaired > 0
		if one.Rejects > 0 {
			r.Rejects = append(r.Rejects, *one)
		}
	}
	return nil
}

// withRejects lists the hours of a range of which rejects are archived.
func (h *Handler) withRejects(ctx context.Context, r hour.Range) ([]hour.Hour, error) {
	hours := map[hour.Hour]bool{}
	last := ""
	for of := r.From; !r.To.Before(of); of = of.Add(1) {
		prefix := h.Keys.DayPrefix(of)
		if r.Len() == 1 {
			prefix = h.Keys.HourPrefix(of)
		}
		if prefix == last {
			continue
		}
		last = prefix
		for o, err := range h.Archive.List(ctx, prefix) {
			if err != nil {
				return nil, fmt.Errorf("list archive of %s: %w", of, err)
			}
			if d, ok := h.Keys.ParseRejectsKey(o.Key); ok && r.Contains(d.Hour) {
				hours[d.Hour] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(hours), func(a, b hour.Hour) int { return a.Sub(b) }), nil
}

// repairHour repairs what it can of the rejects that the hour's selection has now.
func (h *Handler) repairHour(ctx context.Context, of hour.Hour, dry bool) (*Rejects, error) {
	s, err := h.sealer.Look(ctx, of)
	if err != nil {
		return nil, err
	}
	indexes := map[string]*hour.Index{}
	for _, b := range s.Batches {
		indexes[b.Ref.Key] = b.Index
	}
	out := &Rejects{Hour: of, Rejects: s.Selection.Rejects, Still: map[string]int{}}
	repaired := hour.Repaired(s.Selection.Pieces)
	for i := range s.Selection.Pieces {
		p := &s.Selection.Pieces[i]
		x := indexes[p.Index.Key]
		if p.Kind != hour.PieceRange || p.Rejects == 0 {
			continue
		}
		if x == nil {
			return nil, &fault.ArchiveExpired{Hour: of.String(), Detail: p.Index.Key + " is gone, and with it the rejects"}
		}
		left, err := seal.RejectsLeft(p, x, repaired(p))
		if err != nil {
			return nil, err
		}
		m, err := h.mend(ctx, x, left)
		if err != nil {
			return nil, err
		}
		for why, n := range m.still {
			out.Still[why] += n
		}
		out.Repaired, out.Events = out.Repaired+hour.Count(m.places), out.Events+m.events
		if m.events > 0 && !dry {
			if err := h.write(ctx, p.Index, x, m); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// write writes a repair: its events, then the document that commits them. Both are named by what they hold: what stands
// under their names is the same.
func (h *Handler) write(ctx context.Context, index hour.Ref, x *hour.Index, m *mended) error {
	object := new(bzip2.Encoder).Encode(nil, m.lines)
	r := &hour.Repair{Version: hour.Version, Hour: x.Hour, Shard: x.Shard, First: x.First, Last: x.Last, Index: index, Repairs: m.places,
		Events: m.events, Bytes: int64(len(m.lines)), RecordsHash: hour.RepairHash(index, m.places, m.lines), Format: h.Format, Split: h.Split,
		RepairedAt: hour.At(h.Now())}
	sum := hour.SHA256(object)
	r.Object = &hour.File{Key: h.Keys.ObjectKey(hour.DataKey{Span: x.Span(), Count: m.events, Hash: sum[:12]}), Size: int64(len(object)), SHA256: sum}
	for _, o := range []struct {
		key  string
		data []byte
	}{{r.Object.Key, object}, {r.Key(h.Keys), hour.Encode(r)}} {
		_, err := h.Archive.Create(ctx, o.key, o.data)
		var stands *fault.Exists
		if err != nil && !errors.As(err, &stands) {
			return fmt.Errorf("create %s: %w", o.key, err)
		}
	}
	return nil
}

// mend reads a batch's rejects again, those at the places left.
func (h *Handler) mend(ctx context.Context, x *hour.Index, left [][2]int) (*mended, error) {
	f := x.RejectsFile
	bad := func(detail string) error { return &fault.Corrupt{Key: f.Key, Detail: detail} }
	if f.Size < 0 || f.Size > maxObject {
		return nil, bad("not of an archive object's size")
	}
	body, err := h.Archive.GetRange(ctx, f.Key, "", 0, -1)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, f.Size+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Key, err)
	}
	if int64(len(data)) != f.Size || hour.SHA256(data) != f.SHA256 {
		return nil, bad("not the bytes that its index names")
	}
	z, err := bzip2.NewReader(bytes.NewReader(data), bzip2.ReaderConfig{Single: true})
	if err != nil {
		return nil, err
	}
	m := &mended{still: map[string]int{}}
	lines := bufio.NewScanner(io.LimitReader(z, maxRejects))
	lines.Buffer(nil, maxLine)
	n := 0
	for ; lines.Scan(); n++ {
		for len(left) > 0 && n >= left[0][1] {
			left = left[1:]
		}
		if len(left) == 0 || n < left[0][0] {
			continue
		}
		var r hour.Reject
		if json.Unmarshal(lines.Bytes(), &r) != nil || r.Version < 1 || r.Shard != x.Shard {
			return nil, bad(fmt.Sprintf("line %d is no reject", n+1))
		}
		if r.Version > hour.Version {
			return nil, &fault.NewerVersion{Kind: "reject in " + f.Key, Have: r.Version, Know: hour.Version}
		}
		m.take(n, &r, h.decoder.Events)
	}
	if err := lines.Err(); err != nil {
		return nil, bad(err.Error())
	}
	if n != x.Rejects {
		return nil, bad(fmt.Sprintf("%d rejects, its index says %d", n, x.Rejects))
	}
	return m, nil
}
