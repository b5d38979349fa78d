package ingest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"penstock/internal/fault"
	"penstock/internal/stream"
)

func newHandler(t testing.TB, f *fake, change ...func(*Config)) *Handler {
	t.Helper()
	c := Config{Sender: newSender(f, nil), Now: func() time.Time { return time.Unix(1_795_435_200, 0) }}
	for _, fn := range change {
		fn(&c)
	}
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func post(body string) events.APIGatewayProxyRequest {
	return events.APIGatewayProxyRequest{HTTPMethod: "POST", Body: body}
}

func text(c *Config) { c.Format = FormatText }

func TestBodiesAreTakenApart(t *testing.T) {
	for _, c := range []struct {
		name, body string
		change     []func(*Config)
		want       string // events, by |
	}{
		{"an object", ` {"a":1}` + "\r\n", nil, `{"a":1}`},
		{"an object over lines", "{\"a\":\n1}", nil, "{\"a\":\n1}"},
		{"an array", "[{\"a\":1} ,\n {}]", nil, `{"a":1}|{}`},
		{"lines", "{\"a\":1}\r\n\n  {\"b\":[]}\n", nil, `{"a":1}|  {"b":[]}`},
		{"text", "one\r\n\ntwo three\n", []func(*Config){text}, "one|two three"},
	} {
		for _, coded := range []bool{false, true} {
			var f fake
			r := post(c.body)
			if coded {
				r.Body, r.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(c.body)), true
			}
			a, err := newHandler(t, &f, c.change...).Handle(t.Context(), r)
			n := strings.Count(c.want, "|") + 1
			if err != nil || a.StatusCode != 202 || a.Body != fmt.Sprintf(`{"accepted":%d}`, n) || strings.Join(f.data(), "|") != c.want {
				t.Errorf("%s: %d %s, %q, %v", c.name, a.StatusCode, a.Body, f.data(), err)
			}
		}
	}
}

func TestMalformedRequestsAreRefusedAsAWhole(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 600) + "1" + strings.Repeat("}", 600)
	for _, c := range []struct {
		name   string
		r      events.APIGatewayProxyRequest
		change []func(*Config)
		status int
		answer string
	}{
		{"empty", post(""), nil, 400, `{"message":"the body is empty"}`},
		{"blanks", post(" \r\n\n"), nil, 400, `{"message":"the body is empty"}`},
		{"empty array", post("[ ]"), nil, 400, `{"message":"the array is empty"}`},
		{"a number", post("42"), nil, 400, `{"line":1,"message":"not a JSON object"}`},
		{"null", post("\nnull"), nil, 400, `{"line":2,"message":"not a JSON object"}`},
		{"a string", post(`"x"`), nil, 400, `{"line":1,"message":"not a JSON object"}`},
		{"an array of a number", post("[{},\n1]"), nil, 400, `{"line":2,"message":"an element of the array is not a JSON object"}`},
		{"a cut array", post("[{},\n{}"), nil, 400, `{"line":2,"message":"not valid JSON"}`},
		{"bytes behind an array", post("[{}]\n{}"), nil, 400, `{"line":2,"message":"not valid JSON"}`},
		{"mangled", post(`{"a":`), nil, 400, `{"line":1,"message":"not valid JSON"}`},
		{"a mangled line", post("{}\n{}\n{\"a\"\n{}"), nil, 400, `{"line":3,"message":"not valid JSON"}`},
		{"a line that is no object", post("{}\n[]"), nil, 400, `{"line":2,"message":"not a JSON object"}`},
		{"NUL", post("{\"a\":\"\x00\"}"), nil, 400, `{"line":1,"message":"not valid JSON"}`},
		{"NUL behind it", post("{}\x00"), nil, 400, `{"line":1,"message":"not valid JSON"}`},
		{"not UTF-8", post("{}\n{\"a\":\"\xff\"}"), nil, 400, `{"line":2,"message":"not valid UTF-8"}`},
		{"deep", post(deep), nil, 400, `{"line":1,"message":"JSON nested too deeply"}`},
		{"deep in an array", post("[" + deep + "]"), nil, 400, `{"line":1,"message":"JSON nested too deeply"}`},
		{"not base64", events.APIGatewayProxyRequest{HTTPMethod: "POST", Body: "{}", IsBase64Encoded: true}, nil, 400, `{"message":"the body is not base64"}`},
		{"too large", post(strings.Repeat(" ", MaxBody) + "{}"), nil, 413, `{"message":"the body is larger than 4194304 bytes"}`},
		{"11 MB", post(strings.Repeat("x", 11<<20)), nil, 413, `{"message":"the body is larger than 4194304 bytes"}`},
		{"too large, base64", events.APIGatewayProxyRequest{HTTPMethod: "POST", Body: strings.Repeat("A", 6<<20), IsBase64Encoded: true}, nil, 413, `{"message":"the body is larger than 4194304 bytes"}`},
		{"too many lines", post(strings.Repeat("{}\n", MaxEvents+1)), nil, 413, `{"message":"more than 20000 events"}`},
		{"too many elements", post("[" + strings.Repeat("{},", MaxEvents) + "{}]"), nil, 413, `{"message":"more than 20000 events"}`},
		{"GET", events.APIGatewayProxyRequest{HTTPMethod: "GET"}, nil, 405, `{"message":"only POST is allowed"}`},
		{"XML", events.APIGatewayProxyRequest{HTTPMethod: "POST", Body: "{}", Headers: map[string]string{"content-type": "application/xml"}}, nil, 415, `{"message":"the Content-Type is not one that is taken here"}`},
		{"text where JSON is", events.APIGatewayProxyRequest{HTTPMethod: "POST", Body: "{}", MultiValueHeaders: map[string][]string{"Content-Type": {"text/plain"}}}, nil, 415, `{"message":"the Content-Type is not one that is taken here"}`},
		{"Latin-1", events.APIGatewayProxyRequest{HTTPMethod: "POST", Body: "{}", Headers: map[string]string{"Content-Type": "application/json; charset=latin1"}}, nil, 415, `{"message":"only UTF-8 is taken"}`},
		{"a malformed type", events.APIGatewayProxyRequest{HTTPMethod: "POST", Body: "{}", Headers: map[string]string{"Content-Type": "; ;"}}, nil, 415, `{"message":"the Content-Type is malformed"}`},
		{"gzip", events.APIGatewayProxyRequest{HTTPMethod: "POST", Body: "{}", Headers: map[string]string{"Content-Encoding": "gzip"}}, nil, 415, `{"message":"compressed bodies are not taken"}`},
		{"a text with CR", post("a\nb\rc"), []func(*Config){text}, 400, `{"line":2,"message":"a carriage return within the line"}`},
		{"an empty text", post("\n"), []func(*Config){text}, 400, `{"message":"the body is empty"}`},
	} {
		var f fake
		var metrics bytes.Buffer
		a, err := newHandler(t, &f, append(c.change, func(c *Config) { c.Figures.Out = &metrics })...).Handle(t.Context(), c.r)
		if err != nil || a.StatusCode != c.status || a.Body != c.answer || f.calls > 0 || a.Headers["Content-Type"] != "application/json" {
			t.Errorf("%s: %d %s, %d calls, %v; want %d %s", c.name, a.StatusCode, a.Body, f.calls, err, c.status, c.answer)
		}
		if (a.Headers["Allow"] == "POST") != (c.status == 405) || !strings.Contains(metrics.String(), `"RefusedRequests":1`) {
			t.Errorf("%s: %v, %s", c.name, a.Headers, &metrics)
		}
	}
}

func TestTypesThatAreTaken(t *testing.T) {
	for _, kind := range []string{"", "application/json", "application/json; charset=UTF-8", "application/x-ndjson", "Application/JSON"} {
		r := post("{}")
		r.Headers = map[string]string{"CONTENT-TYPE": kind, "Content-Encoding": "identity"}
		if a, err := newHandler(t, &fake{}).Handle(t.Context(), r); err != nil || a.StatusCode != 202 {
			t.Errorf("%q: %d %s", kind, a.StatusCode, a.Body)
		}
	}
}

func TestNothingIsSaidToBeAcceptedThatIsNotInTheStream(t *testing.T) {
	all := func(code string) func(int, []stream.Entry) ([]string, error) {
		return func(_ int, entries []stream.Entry) ([]string, error) {
			return strings.Split(strings.Repeat(code+" ", len(entries)), " ")[:len(entries)], nil
		}
	}
	large := fmt.Sprintf(`{"a":%q}`, strings.Repeat("x", stream.MaxRecordBytes))
	for _, c := range []struct {
		name, body string
		answer     func(int, []stream.Entry) ([]string, error)
		status     int
		want       string
		err        string
	}{
		{"some fail", "{}\n{\"n\":1}\n{\"n\":2}", func(_ int, entries []stream.Entry) (codes []string, _ error) {
			for _, e := range entries {
				codes = append(codes, map[string]string{`{"n":1}`: "InternalFailure"}[string(e.Data)])
			}
			return codes, nil
		}, 207, `{"accepted":2,"failed":[{"index":1,"reason":"InternalFailure"}]}`, ""},
		{"one is too large", "{}\n" + large, nil, 207, `{"accepted":1,"failed":[{"index":1,"reason":"RecordTooLarge"}]}`, ""},
		{"all are too large", large, nil, 413, `{"accepted":0,"message":"the events are larger than a record may be"}`, ""},
		{"all are throttled", "{}\n{}", all(CodeThrottled), 429, `{"accepted":0,"message":"the stream is busy, send again later"}`, ""},
		{"two calls of them", strings.Repeat("{}\n", 600), all(CodeThrottled), 429, `{"accepted":0,"message":"the stream is busy, send again later"}`, ""},
		{"all fail", "{}", all("InternalFailure"), 503, `{"accepted":0,"message":"the stream did not take the events, send again later"}`, ""},
		{"no answer", "{}", func(int, []stream.Entry) ([]string, error) {
			return nil, &fault.Unavailable{Service: "kinesis", Action: "put", Err: io.EOF}
		}, 503, `{"accepted":0,"message":"the stream did not take the events, send again later"}`, ""},
		{"denied", "{}", func(int, []stream.Entry) ([]string, error) {
			return nil, fmt.Errorf("put: %w", &fault.AccessDenied{Service: "kinesis", Action: "put", Err: io.EOF})
		}, 0, "", "*fault.AccessDenied"},
		{"denied later", strings.Repeat("{}\n", 501), func(call int, _ []stream.Entry) ([]string, error) {
			if call == 1 {
				return nil, nil
			}
			return nil, &fault.AccessDenied{Service: "kinesis", Action: "put", Err: io.EOF}
		}, 207, `{"accepted":500,"failed":[{"index":500,"reason":"ServiceUnavailable"}]}`, ""},
	} {
		f := fake{answer: c.answer}
		a, err := newHandler(t, &f).Handle(t.Context(), post(c.body))
		if a.StatusCode != c.status || a.Body != c.want || err == nil && c.err != "" || err != nil && fmt.Sprintf("%T", err) != c.err {
			t.Errorf("%s: %d %s, %v", c.name, a.StatusCode, a.Body, err)
		}
		var got struct{ Accepted int }
		if a.Body != "" && (json.Unmarshal([]byte(a.Body), &got) != nil || got.Accepted != len(f.taken)) {
			t.Errorf("%s: %d are in the stream, %s", c.name, len(f.taken), a.Body)
		}
		if (a.Headers["Retry-After"] != "") != (c.status == 429) {
			t.Errorf("%s: %v", c.name, a.Headers)
		}
	}
}

func eventSchema(t testing.TB) *Schema {
	t.Helper()
	b, err := os.ReadFile("../../schemas/event.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSchema(b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheSchemaIsCheckedStrictlyOrCounted(t *testing.T) {
	good := `{"id":"019ab0c5-3f20-7c11-8000-0123456789ab","time":"2026-11-23T07:00:00.000Z","type":"play"}`
	body := good + "\n\n" + strings.Replace(good, "play", "secret", 1) + "\n{}"
	schema := func(check string) func(*Config) {
		return func(c *Config) { c.Schema, c.Check = eventSchema(t), check }
	}
	var f fake
	var metrics bytes.Buffer
	a, err := newHandler(t, &f, schema(CheckLenient), func(c *Config) { c.Figures.Out = &metrics }).Handle(t.Context(), post(body))
	if err != nil || a.StatusCode != 202 || a.Body != `{"accepted":3,"nonconforming":2}` || !strings.Contains(metrics.String(), `"NonconformingEvents":2`) {
		t.Errorf("lenient: %d %s, %v", a.StatusCode, a.Body, err)
	}
	f = fake{}
	h := newHandler(t, &f, schema(CheckStrict))
	a, err = h.Handle(t.Context(), post(body))
	if err != nil || a.StatusCode != 400 || a.Body != `{"line":3,"message":"/type breaks enum"}` || f.calls > 0 {
		t.Errorf("strict: %d %s, %v", a.StatusCode, a.Body, err)
	}
	if a, _ := h.Handle(t.Context(), post("["+good+",\n"+good+"]")); a.StatusCode != 202 || len(f.taken) != 2 {
		t.Errorf("strict: %d %s", a.StatusCode, a.Body)
	}
	if a, _ := h.Handle(t.Context(), post("["+good+",\n{}]")); a.StatusCode != 400 || !strings.HasPrefix(a.Body, `{"line":2,`) {
		t.Errorf("strict: %d %s", a.StatusCode, a.Body)
	}
	for _, bad := range []string{`{`, `{"$ref":"file:///etc/passwd"}`, `{"$ref":"https://example.com/x"}`, `{"type":7}`} {
		if _, err := NewSchema([]byte(bad)); err == nil {
			t.Errorf("%s is taken as a schema", bad)
		}
	}
}

func TestBadConfigurationsAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no sender": func(c *Config) { c.Sender = nil }, "no clock": func(c *Config) { c.Now = nil },
		"format": func(c *Config) { c.Format = "csv" }, "check": func(c *Config) { c.Check = "some" },
	} {
		c := Config{Sender: NewSender(SenderConfig{}), Now: time.Now}
		change(&c)
		if _, err := New(c); !errors.As(err, new(*fault.BadInput)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzHandle(f *testing.F) {
	f.Add(`{"a":1}`, "application/json", false, false)
	f.Add("{}\n{\"s\":\"k\"}\r\n", "application/x-ndjson", false, false)
	f.Add("[{},{\"a\":\"\xff\"}]", "", false, false)
	f.Add("e30=", "", true, false)
	f.Add("a\nb\r", "text/plain", false, true)
	f.Fuzz(func(t *testing.T, body, kind string, coded, lines bool) {
		var stream fake
		h := newHandler(t, &stream, func(c *Config) {
			c.KeyField = "s"
			if lines {
				c.Format = FormatText
			}
		})
		r := post(body)
		r.IsBase64Encoded, r.Headers = coded, map[string]string{"Content-Type": kind}
		a, err := h.Handle(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ Accepted int }
		if err := json.Unmarshal([]byte(a.Body), &got); err != nil || got.Accepted != len(stream.taken) || (a.StatusCode == 202) != (len(stream.taken) > 0) {
			t.Fatalf("%d %s, %d in the stream, %v", a.StatusCode, a.Body, len(stream.taken), err)
		}
		for _, e := range stream.taken {
			var object map[string]any
			if !lines && json.Unmarshal(e.Data, &object) != nil || lines && bytes.ContainsAny(e.Data, "\r\n") {
				t.Fatalf("%q is in the stream", e.Data)
			}
		}
	})
}
