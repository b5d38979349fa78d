package awsapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/emr"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"penstock/internal/awsapi"
	"penstock/internal/fault"
	"penstock/internal/hour"
)

var ctx = context.Background()

// server answers each call with what reply gives for its action and body.
func server(t *testing.T, reply func(action, body string) (int, string)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		status, body := reply(action, string(b))
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func executions(url string) awsapi.Executions {
	return awsapi.Executions{Machine: "arn:aws:states:eu-west-1:123456789012:stateMachine:prod-hour", API: sfn.New(sfn.Options{
		Region: "eu-west-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), RetryMaxAttempts: 1})}
}

func clusters(url string) awsapi.Clusters {
	return awsapi.Clusters{API: emr.New(emr.Options{
		Region: "eu-west-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), RetryMaxAttempts: 1})}
}

func TestAnExecutionIsDescribedByNameAndByARN(t *testing.T) {
	const arn = "arn:aws:states:eu-west-1:123456789012:execution:prod-hour:2026-11-23T07-1"
	var asked string
	url := server(t, func(action, body string) (int, string) {
		asked = action + " " + body
		return 200, `{"executionArn":"` + arn + `","status":"TIMED_OUT","startDate":1,"stateMachineArn":"x"}`
	})
	for _, name := range []string{"2026-11-23T07-1", arn} {
		status, found, err := executions(url).Describe(ctx, name)
		if err != nil || !found || status != "TIMED_OUT" || !strings.Contains(asked, "DescribeExecution") || !strings.Contains(asked, `"`+arn+`"`) {
			t.Errorf("%s %t %v, asked %s", status, found, err, asked)
		}
	}
}

func TestErrorsHaveTheTypesThatTheMachineKnows(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		want   string
	}{
		{400, "ExecutionDoesNotExist", ""}, {400, "AccessDeniedException", "AccessDenied"}, {403, "Whatever", "AccessDenied"},
		{400, "InvalidArn", "BadInput"}, {400, "ThrottlingException", "Unavailable"}, {429, "TooManyRequests", "Unavailable"}, {500, "InternalError", "Unavailable"},
	} {
		url := server(t, func(string, string) (int, string) {
			return c.status, fmt.Sprintf(`{"__type":%q,"message":"m"}`, c.code)
		})
		_, found, err := executions(url).Describe(ctx, "x")
		if got := fault.NameOf(err); got != c.want || found {
			t.Errorf("%s: %s %v", c.code, got, err)
		}
		if c.code == "ExecutionDoesNotExist" {
			continue
		}
		if err := clusters(url).End(ctx, []string{"j-1"}); fault.NameOf(err) != c.want {
			t.Errorf("%s: %v", c.code, err)
		}
		for _, err := range clusters(url).Clusters(ctx, time.Time{}, false) {
			if fault.NameOf(err) != c.want {
				t.Errorf("%s: %v", c.code, err)
			}
		}
	}
	if _, _, err := executions("http://127.0.0.1:1").Describe(ctx, "x"); fault.NameOf(err) != "Unavailable" {
		t.Errorf("no connection: %v", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, _, err := executions("http://127.0.0.1:1").Describe(cancelled, "x"); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}

func TestClustersComePageAfterPage(t *testing.T) {
	var bodies []string
	url := server(t, func(action, body string) (int, string) {
		bodies = append(bodies, body)
		if action != "ListClusters" {
			return 400, `{"__type":"UnknownOperationException"}`
		}
		if !strings.Contains(body, "Marker") {
			return 200, `{"Clusters":[{"Id":"j-1","Name":"a","Status":{"State":"RUNNING","Timeline":{"CreationDateTime":1795420800.5}}},{"Id":"j-2","Name":"b"}],"Marker":"m"}`
		}
		return 200, `{"Clusters":[{"Id":"j-3","Name":"c"}]}`
	})
	since := time.Unix(1795420000, 0)
	var ids []string
	for c, err := range clusters(url).Clusters(ctx, since, true) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, c.ID+c.Name+c.State)
		if c.ID == "j-1" && !c.CreatedAt.Equal(time.UnixMilli(1795420800500)) {
			t.Errorf("created at %s", c.CreatedAt)
		}
	}
	if strings.Join(ids, " ") != "j-1aRUNNING j-2b j-3c" || !strings.Contains(bodies[0], "1795420000") || !strings.Contains(bodies[0], `"ClusterStates":["STARTING","BOOTSTRAPPING","RUNNING","WAITING"]`) {
		t.Errorf("%v from %v", ids, bodies)
	}
	for range clusters(url).Clusters(ctx, time.Time{}, false) {
		break
	}
	if last := bodies[len(bodies)-1]; len(bodies) != 3 || strings.Contains(last, "CreatedAfter") || strings.Contains(last, "ClusterStates") {
		t.Errorf("asked %v", bodies)
	}
}

func TestClustersAreEndedByTheirIDs(t *testing.T) {
	var asked string
	url := server(t, func(action, body string) (int, string) {
		asked = action + body
		return 200, `{}`
	})
	if err := clusters(url).End(ctx, []string{"j-1", "j-2"}); err != nil || asked != `TerminateJobFlows{"JobFlowIds":["j-1","j-2"]}` {
		t.Errorf("%s, %v", asked, err)
	}
}

func TestAnExecutionIsStartedOnceUnderItsName(t *testing.T) {
	var asked string
	answer := func(string) (int, string) { return 200, `{"executionArn":"x","startDate":1}` }
	url := server(t, func(action, body string) (int, string) { asked = action + " " + body; return answer(action) })
	h, err := hour.Parse("2026-11-23T07")
	if err != nil {
		t.Fatal(err)
	}
	start := func() error {
		return executions(url).Start(ctx, "2026-11-23T07-2", hour.Input{Hour: h, N: 2, Options: hour.Options{Force: true}})
	}
	if err := start(); err != nil || !strings.Contains(asked, `"name":"2026-11-23T07-2"`) || !strings.Contains(asked, `stateMachine:prod-hour`) ||
		!strings.Contains(asked, `{\"hour\":\"2026-11-23T07\",\"n\":2,\"options\":{\"force\":true}}`) {
		t.Errorf("%v, asked %s", err, asked)
	}
	answer = func(string) (int, string) { return 400, `{"__type":"ExecutionAlreadyExists","message":"there"}` }
	if err := start(); fault.NameOf(err) != "Exists" {
		t.Errorf("another has the name: %v", err)
	}
	answer = func(string) (int, string) { return 400, `{"__type":"AccessDeniedException","message":"no"}` }
	if err := start(); fault.NameOf(err) != "AccessDenied" {
		t.Errorf("%v", err)
	}
	answer = func(string) (int, string) { return 500, `{}` }
	if err := start(); fault.NameOf(err) != "Unavailable" {
		t.Errorf("%v", err)
	}
}

func TestAnExecutionThatIsUnknownNeedsNoStop(t *testing.T) {
	var asked string
	status, body := 200, `{"stopDate":1}`
	url := server(t, func(action, sent string) (int, string) { asked = action + " " + sent; return status, body })
	if err := executions(url).Stop(ctx, "2026-11-23T07-2", "cancelled by hand"); err != nil || !strings.HasPrefix(asked, "StopExecution") ||
		!strings.Contains(asked, "execution:prod-hour:2026-11-23T07-2") || !strings.Contains(asked, "cancelled by hand") {
		t.Errorf("%v, asked %s", err, asked)
	}
	status, body = 400, `{"__type":"ExecutionDoesNotExist","message":"no"}`
	if err := executions(url).Stop(ctx, "2026-11-23T07-2", "x"); err != nil {
		t.Error(err)
	}
	status, body = 400, `{"__type":"AccessDeniedException","message":"no"}`
	if err := executions(url).Stop(ctx, "2026-11-23T07-2", "x"); fault.NameOf(err) != "AccessDenied" {
		t.Error(err)
	}
}
