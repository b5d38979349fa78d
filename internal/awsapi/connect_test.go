package awsapi_test

import (
	"strings"
	"testing"

	"penstock/internal/awsapi"
	"penstock/internal/env"
	"penstock/internal/fault"
)

func TestAFunctionSaysAllThatIsMissingBeforeItConnects(t *testing.T) {
	e := env.New(func(name string) (string, bool) { return "", false })
	name := e.Need("EVENT_NAME")
	e.Need("HOURS_BUCKET")
	_, err := awsapi.Connect(ctx, e, name)
	if fault.NameOf(err) != "BadInput" || !strings.Contains(err.Error(), "EVENT_NAME") || !strings.Contains(err.Error(), "HOURS_BUCKET") {
		t.Errorf("got %v", err)
	}
	if _, err := awsapi.Connect(ctx, env.New(func(string) (string, bool) { return "", false }), "Not A Name"); err == nil {
		t.Error("a data set's name that is none was taken")
	}
}

func TestAConnectionKnowsTheNamesOfTheDataSet(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	c, err := awsapi.Connect(ctx, env.New(func(string) (string, bool) { return "", false }), "page_views")
	if err != nil {
		t.Fatal(err)
	}
	if l := c.Ledger("hours"); l.Keys.Name() != "page_views" || l.Now == nil || c.Store("hours") == nil || c.Clusters().API == nil {
		t.Errorf("%+v", l)
	}
	if got := c.Executions("arn:aws:states:r:1:stateMachine:m").ARN("x"); got != "arn:aws:states:r:1:execution:m:x" {
		t.Errorf("execution %s", got)
	}
}
