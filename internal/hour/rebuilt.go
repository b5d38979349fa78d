package hour

// Means says whether an index is the one that was sealed as the piece, given the SHA-256 of its bytes: the very document,
// or one that was made again of the same records, which says the same but for when it was archived and by which request.
func (p *Piece) Means(x *Index, sha string) bool {
	if sha == p.Index.SHA256 {
		return true
	}
	same := func(a, b *File) bool {
		if a == nil || b == nil {
			return a == b
		}
		return a.Key == b.Key && a.Size == b.Size && a.SHA256 == b.SHA256
	}
	return x.RebuiltAt != nil && p.Span(x.Hour) == x.Span() && p.RecordsHash == x.RecordsHash && p.Bytes == x.Bytes &&
		same(p.Object, x.Object) && same(p.RejectsFile, x.RejectsFile)
}
