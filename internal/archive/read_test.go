package archive

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"penstock/internal/fault"
)

// oracle is what encoding/json makes of a Kinesis event; strict says whether no member stands twice.
type oracleRecord struct {
	shard, seq string
	ms         int64
	data       []byte
}

func oracle(payload []byte) (records []oracleRecord, err error) {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(payload, &top); err != nil {
		return nil, err
	}
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(top["Records"], &list); err != nil {
		return nil, err
	}
	for _, m := range list {
		var r oracleRecord
		var id string
		var kinesis map[string]json.RawMessage
		if err := json.Unmarshal(m["eventID"], &id); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(m["kinesis"], &kinesis); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(kinesis["sequenceNumber"], &r.seq); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(kinesis["data"], &r.data); err != nil {
			return nil, err
		}
		seconds, ok := new(big.Rat).SetString(string(bytes.TrimSpace(kinesis["approximateArrivalTimestamp"])))
		if !ok {
			return nil, errors.New("arrival")
		}
		r.ms = roundMs(seconds)
		r.shard = id[:max(0, strings.LastIndexByte(id, ':'))]
		if r.seq = strings.TrimLeft(r.seq, "0"); r.seq == "" {
			r.seq = "0"
		}
		records = append(records, r)
	}
	return records, nil
}

// roundMs rounds to milliseconds, half a one upwards.
func roundMs(seconds *big.Rat) int64 {
	x := new(big.Rat).Mul(seconds, big.NewRat(1000, 1))
	x.Add(x, big.NewRat(1, 2))
	return new(big.Int).Div(x.Num(), x.Denom()).Int64()
}

const oneRecord = `{"Records":[{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"k","sequenceNumber":"4957","data":"eyJhIjoxfQ==","approximateArrivalTimestamp":1795417200.987},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-000000000006:4957","eventName":"aws:kinesis:record","invokeIdentityArn":"arn:aws:iam::1:role/r","awsRegion":"us-east-1","eventSourceARN":"arn:aws:kinesis:us-east-1:1:stream/s"}]}`

func one(change ...string) string { return strings.NewReplacer(change...).Replace(oneRecord) }

func TestEventsAreReadAsEncodingJSONReadsThem(t *testing.T) {
	for name, payload := range map[string]string{
		"plain":                     oneRecord,
		"other order of members":    `{"x":[],"Records":[{"eventID":"s:1","kinesis":{"approximateArrivalTimestamp":1,"data":"","sequenceNumber":"1"}}],"y":null}`,
		"unknown members, nested":   one(`"eventSource"`, `"x":{"a":[1,{"b":[true,false,null,-1.5e-7,"\u00e9\n"]}]},"eventSource"`),
		"blanks everywhere":         one(`":`, "\" :\n\t", `,"`, "\r ,\""),
		"escapes in data":           one(`eyJhIjoxfQ==`, `eyJhIj\u006fxfQ\u003d=`),
		"line ends escaped in data": one(`eyJhIjoxfQ==`, `eyJh\r\nIjoxfQ==`),
		"escapes in the shard":      one(`"shardId-`, `"shard\u0049d-`),
		"escapes in a member name":  one(`"Records"`, `"\u0052ecords"`, `"data"`, `"d\u0061ta"`),
		"escaped quote in a key":    one(`"k"`, `"a\"b\\"`),
		"not UTF-8 in a key":        one(`"k"`, "\"\xff\xfe\""),
		"leading zeros":             one(`"4957"`, `"000000004957"`),
		"seconds as Java has them":  one(`1795417200.987`, `1.795417200987E9`),
		"seconds as a whole number": one(`1795417200.987`, `1795417200`),
		"no records":                `{"Records":[]}`,
		"empty data":                one(`eyJhIjoxfQ==`, ``),
		"other spellings":           `{"records":7,"RECORDS":{},"Records":[]}`,
	} {
		want, err := oracle([]byte(payload))
		if err != nil {
			t.Errorf("%s: the oracle says %v", name, err)
		}
		var b batch
		if err := b.read([]byte(payload)); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := same(&b, want); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func same(b *batch, want []oracleRecord) error {
	if len(b.records) != len(want) {
		return fmt.Errorf("%d records, want %d", len(b.records), len(want))
	}
	for i, w := range want {
		r := &b.records[i]
		if b.shard != w.shard || string(r.seq) != w.seq || r.ms != w.ms || !bytes.Equal(b.bytes(r), w.data) {
			return fmt.Errorf("record %d: %s %s %d %q, want %s %s %d %q", i, b.shard, r.seq, r.ms, b.bytes(r), w.shard, w.seq, w.ms, w.data)
		}
	}
	return nil
}

func TestWhatIsNoKinesisEventIsBadInput(t *testing.T) {
	two := func(id, seq, data string) string {
		return one(`}]}`, fmt.Sprintf(`},{"eventID":%q,"kinesis":{"sequenceNumber":%q,"approximateArrivalTimestamp":1795417200.987,"data":%q}}]}`, id, seq, data))
	}
	for name, payload := range map[string]string{
		"empty":                    ``,
		"null":                     `null`,
		"an array":                 `[]`,
		"no Records":               `{}`,
		"Records is null":          `{"Records":null}`,
		"two Records":              `{"Records":[],"Records":[]}`,
		"trailing bytes":           oneRecord + "x",
		"cut":                      oneRecord[:len(oneRecord)-3],
		"several shards":           two("shardId-000000000007:4958", "4958", ""),
		"two contents of a number": two("shardId-000000000006:4957", "4957", "AAAA"),
		"no event id":              one(`"eventID"`, `"eventid"`),
		"no shard":                 one(`shardId-000000000006:4957`, `:4957`),
		"shard with a slash":       one(`shardId-`, `../`),
		"no sequence number":       one(`"sequenceNumber"`, `"x"`),
		"sequence not decimal":     one(`"4957"`, `"49x7"`),
		"sequence empty":           one(`"4957"`, `""`),
		"sequence too long":        one(`"4957"`, `"`+strings.Repeat("9", 130)+`"`),
		"sequence a number":        one(`"4957"`, `4957`),
		"no data":                  one(`"data"`, `"Data"`),
		"data twice":               one(`"data"`, `"data":"","data"`),
		"data not base64":          one(`eyJhIjoxfQ==`, `eyJh!joxfQ==`),
		"data with a bare LF":      one(`eyJhIjoxfQ==`, "eyJh\nIjoxfQ=="),
		"data cut":                 one(`eyJhIjoxfQ==`, `eyJhIjoxfQ`),
		"no arrival":               one(`"approximateArrivalTimestamp"`, `"x"`),
		"arrival a string":         one(`1795417200.987`, `"1795417200.987"`),
		"arrival negative":         one(`1795417200.987`, `-1`),
		"arrival beyond 9999":      one(`1795417200.987`, `253402300800`),
		"arrival huge":             one(`1795417200.987`, `1e999`),
		"arrival endless":          one(`1795417200.987`, `1.`+strings.Repeat("0", 100)),
		"deep":                     one(`"1.0"`, strings.Repeat("[", 2000)+strings.Repeat("]", 2000)),
		"a control character":      one(`"k"`, "\"\x01\""),
		"a bad escape":             one(`"k"`, `"\u00\u0010"`),
	} {
		var b batch
		err := b.read([]byte(payload))
		var bad *fault.BadInput
		if !errors.As(err, &bad) || len(err.Error()) > 200 {
			t.Errorf("%s: %v", name, err)
		}
	}
	var b batch
	if err := b.read(bytes.Repeat([]byte(" "), MaxPayload+1)); err == nil {
		t.Error("a payload beyond the limit is taken")
	}
	if err := b.read([]byte(`{"Records":[` + strings.Repeat(oneRecord[len(`{"Records":[`):len(oneRecord)-2]+",", MaxRecords) + oneRecord[len(`{"Records":[`):])); err == nil {
		t.Error("records beyond the limit are taken")
	}
}

func TestRecordsAreSortedAndTakenOnce(t *testing.T) {
	var b batch
	if err := b.read(delivery("s", rec{"10", 5, "a"}, rec{"9", 6, "b"}, rec{"11", 7, "c"}, rec{"0009", 6, "b"})); err != nil {
		t.Fatal(err)
	}
	if err := same(&b, []oracleRecord{{"s", "9", 6, []byte("b")}, {"s", "10", 5, []byte("a")}, {"s", "11", 7, []byte("c")}}); err != nil {
		t.Error(err)
	}
}

func TestArrivalIsRoundedExactly(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "0.0004": 0, "0.0005": 1, "0.00049999999999999999999": 0, "1.2345": 1235, "1545084650.987": 1545084650987,
		"1.545084650987E9": 1545084650987, "1795417199.9995": 1795417200000, "1795417199.9994999": 1795417199999,
		"1795417200987e-3": 1795417200987, "5e-4": 1, "4e-4": 0, "5e-5": 0, "0.253402300799999e12": maxArrival, "00e5": 0, "0e999": 0,
	} {
		if got, ok := parseArrival([]byte(text)); !ok || got != want {
			t.Errorf("%s is read as %d, %t; want %d", text, got, ok, want)
		}
	}
	const seed = 3
	r := rand.New(rand.NewPCG(seed, 1))
	for range 2000 {
		text := fmt.Sprintf("%d.%0*d", r.IntN(2_000_000_000), 1+r.IntN(9), r.IntN(1000))
		if r.IntN(2) == 0 {
			text += fmt.Sprintf("e%d", r.IntN(6)-4)
		}
		x, _ := new(big.Rat).SetString(text)
		if got, ok := parseArrival([]byte(text)); !ok || got != roundMs(x) {
			if roundMs(x) <= maxArrival {
				t.Fatalf("seed %d: %s is read as %d, %t; want %d", seed, text, got, ok, roundMs(x))
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(oneRecord))
	f.Add(delivery("shardId-1", rec{"1", 1_795_417_200_000, "x"}, rec{"2", 1_795_417_200_001, `{"a":"\u0000"}`}))
	f.Add([]byte(one(`eyJhIjoxfQ==`, "e\\u0079Jh\nIjoxfQ==")))
	f.Add([]byte(one(`1795417200.987`, `1.795417200987E9`)))
	f.Fuzz(func(t *testing.T, payload []byte) {
		var b batch
		err := b.read(payload)
		var bad *fault.BadInput
		if err != nil {
			if !errors.As(err, &bad) {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		want, err := oracle(payload)
		if err != nil {
			t.Fatalf("taken, but the oracle says %v", err)
		}
		for i := 1; i < len(want); i++ {
			if compare([]byte(want[i-1].seq), []byte(want[i].seq)) >= 0 {
				return // sorted, see TestRecordsAreSortedAndTakenOnce
			}
		}
		if err := same(&b, want); err != nil {
			t.Fatal(err)
		}
	})
}

// rec is a record of a delivery: sequence number, arrival in milliseconds, data.
type rec struct {
	seq  string
	ms   int64
	data string
}

// delivery is the event that Lambda sends.
func delivery(shard string, recs ...rec) []byte {
	var b bytes.Buffer
	b.WriteString(`{"Records":[`)
	for i, r := range recs {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"k","sequenceNumber":%q,"data":%q,"approximateArrivalTimestamp":%d.%03d},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"%s:%s","eventName":"aws:kinesis:record","invokeIdentityArn":"arn:aws:iam::123456789012:role/archive","awsRegion":"us-east-1","eventSourceARN":"arn:aws:kinesis:us-east-1:123456789012:stream/events"}`,
			r.seq, base64.StdEncoding.EncodeToString([]byte(r.data)), r.ms/1000, r.ms%1000, shard, r.seq)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}
