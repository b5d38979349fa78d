package awsapi_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"penstock/internal/awsapi"
	"penstock/internal/fault"
	"penstock/internal/hour"
)

func mapping(t *testing.T, status int, body string) (hour.Mapping, error) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/2015-03-31/event-source-mappings/u-1" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return awsapi.Mapping{UUID: "u-1", API: lambda.New(lambda.Options{Region: "eu-west-1", BaseEndpoint: &s.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})}.Mapping(ctx)
}

func TestTheMappingsStateIsWhatAProofRestsOn(t *testing.T) {
	got, err := mapping(t, 200, `{"UUID":"u-1","State":"Enabled","StartingPosition":"TRIM_HORIZON","ParallelizationFactor":1,"BatchSize":10000}`)
	if want := (hour.Mapping{ID: "u-1", State: "Enabled", Start: "TRIM_HORIZON", Factor: 1}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = mapping(t, 200, `{"UUID":"u-1","State":"Disabled","StartingPosition":"LATEST","ParallelizationFactor":4,"FilterCriteria":{"Filters":[{"Pattern":"{}"}]}}`)
	if want := (hour.Mapping{ID: "u-1", State: "Disabled", Start: "LATEST", Factor: 4, Filtered: true}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = mapping(t, 200, `{"UUID":"u-1","FilterCriteria":{}}`); err != nil || got.Filtered {
		t.Errorf("no filters: %+v, %v", got, err)
	}
}

func TestErrorsOfLambdaHaveTheirNames(t *testing.T) {
	if _, err := mapping(t, 404, `{"Type":"User","Message":"no"}`); !errors.As(err, new(*fault.BadInput)) {
		t.Errorf("%v", err)
	}
	if _, err := mapping(t, 403, `{}`); !errors.As(err, new(*fault.AccessDenied)) {
		t.Errorf("%v", err)
	}
	for _, status := range []int{429, 500} {
		if _, err := mapping(t, status, `{}`); !errors.As(err, new(*fault.Unavailable)) {
			t.Errorf("%d: %v", status, err)
		}
	}
}
