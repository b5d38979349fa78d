package awsapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"penstock/internal/awsapi"
	"penstock/internal/fault"
)

func logs(url string) awsapi.Logs {
	return awsapi.Logs{API: cloudwatchlogs.New(cloudwatchlogs.Options{Region: "eu-west-1", BaseEndpoint: &url,
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), RetryMaxAttempts: 1})}
}

func TestALogIsReadPageByPage(t *testing.T) {
	from := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	calls := 0
	url := server(t, func(action, body string) (int, string) {
		var in struct {
			LogGroupName, FilterPattern, NextToken string
			StartTime, EndTime                     int64
		}
		if err := json.Unmarshal([]byte(body), &in); err != nil || action != "FilterLogEvents" {
			t.Errorf("%s %s", action, body)
		}
		if in.LogGroupName != "g" || in.FilterPattern != `"x"` || in.StartTime != from.UnixMilli() || in.EndTime != from.Add(time.Hour).UnixMilli() {
			t.Errorf("%+v", in)
		}
		calls++
		switch in.NextToken {
		case "":
			return 200, fmt.Sprintf(`{"events":[{"eventId":"1","timestamp":%d,"message":"a","logStreamName":"s"}],"nextToken":"n"}`, from.UnixMilli())
		case "n":
			return 200, `{"events":[],"nextToken":"m"}`
		}
		return 200, `{"events":[{"message":"b"}]}`
	})
	var got []string
	for e, err := range logs(url).Events(ctx, awsapi.LogQuery{Group: "g", Pattern: `"x"`, From: from, To: from.Add(time.Hour)}) {
		if err != nil || e.ID == "" {
			t.Fatal(e, err)
		}
		got = append(got, e.Text)
	}
	if strings.Join(got, "") != "ab" || calls != 3 {
		t.Errorf("%v after %d calls", got, calls)
	}
}

func TestALogThatCannotBeReadSaysWhy(t *testing.T) {
	for code, want := range map[string]string{"ResourceNotFoundException": "NotFound", "AccessDeniedException": "AccessDenied", "InvalidParameterException": "BadInput"} {
		url := server(t, func(string, string) (int, string) { return 400, `{"__type":"` + code + `"}` })
		n := 0
		for _, err := range logs(url).Events(ctx, awsapi.LogQuery{Group: "g"}) {
			n++
			if fault.NameOf(err) != want {
				t.Errorf("%s gives %T %v", code, err, err)
			}
		}
		if n != 1 {
			t.Errorf("%s ends the sequence after %d", code, n)
		}
	}
}

// functions answers calls of Lambda with what reply does.
func functions(t *testing.T, reply http.HandlerFunc) awsapi.Functions {
	t.Helper()
	s := httptest.NewServer(reply)
	t.Cleanup(s.Close)
	return awsapi.Functions{Stack: "prod", API: lambda.New(lambda.Options{Region: "eu-west-1", BaseEndpoint: &s.URL,
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), RetryMaxAttempts: 1})}
}

func TestAFunctionIsCalledOnceByItsAlias(t *testing.T) {
	calls := 0
	f := functions(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		if r.URL.Path != "/2015-03-31/functions/prod-seal/invocations" || r.URL.Query().Get("Qualifier") != "live" {
			t.Errorf("called %s", r.URL)
		}
		if r.Header.Get("X-Amz-Invocation-Type") == "DryRun" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("X-Amz-Log-Result", "bG9n")
		_, _ = w.Write([]byte(`{"a":1}`))
	})
	a, err := f.Invoke(ctx, "seal", []byte(`{}`), false)
	if err != nil || string(a.Payload) != `{"a":1}` || a.Log != "log" || calls != 1 {
		t.Errorf("%+v, %v after %d calls", a, err, calls)
	}
	if a, err = f.Invoke(ctx, "seal", []byte(`{}`), true); err != nil || len(a.Payload) != 0 {
		t.Errorf("a dry run gives %+v, %v", a, err)
	}
}

func TestAFailedCallOfAFunctionHasItsType(t *testing.T) {
	calls := 0
	f := functions(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		switch {
		case strings.Contains(r.URL.Path, "prod-seal"):
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			_, _ = w.Write([]byte(`{"errorType":"HourNotComplete","errorMessage":"3 records behind"}`))
		case strings.Contains(r.URL.Path, "prod-due"):
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			_, _ = w.Write([]byte(`<html>`))
		case strings.Contains(r.URL.Path, "prod-reap"):
			w.WriteHeader(500)
		default:
			w.Header().Set("X-Amzn-Errortype", "ResourceNotFoundException")
			w.WriteHeader(404)
		}
	})
	for name, want := range map[string]string{"seal": "function seal: HourNotComplete: 3 records behind", "due": "function due: Unhandled: "} {
		_, err := f.Invoke(ctx, name, nil, false)
		if _, ok := err.(*awsapi.FunctionError); !ok || err.Error() != want {
			t.Errorf("%s gives %T %v", name, err, err)
		}
	}
	if _, err := f.Invoke(ctx, "nothing", nil, false); fault.NameOf(err) != "NotFound" {
		t.Errorf("%T %v", err, err)
	}
	calls = 0
	if _, err := f.Invoke(ctx, "reap", nil, false); fault.NameOf(err) != "Unavailable" || calls != 1 {
		t.Errorf("%T %v after %d calls", err, err, calls)
	}
}
