package archive

// Decoder reads payloads as a Handler of the same format does. It is not safe for concurrent use.
type Decoder struct{ s sorter }

// NewDecoder returns a decoder for events of a format: FormatJSON or FormatText, and SplitLines or "".
func NewDecoder(format, split string) (*Decoder, error) {
	if err := checkFormat(format, split); err != nil {
		return nil, err
	}
	return &Decoder{sorter{text: format == FormatText, split: split == SplitLines}}, nil
}

// Events appends to lines the events that a record with this payload holds, each with a line feed, and says how many. A
// payload of which anything would be a reject holds none: lines comes back as it was. The record of a reject may have been
// one of several in an aggregate; its payload is then read for itself.
func (d *Decoder) Events(lines, payload []byte) (_ []byte, events int) {
	d.s.reset("")
	d.s.add(&record{seq: []byte("0")}, payload)
	if d.s.rejectN > 0 {
		return lines, 0
	}
	return append(lines, d.s.lines...), d.s.events
}
