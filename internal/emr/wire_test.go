package emr_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/emr"
	"github.com/aws/aws-sdk-go-v2/service/emr/types"
	"github.com/aws/smithy-go"

	"penstock/internal/clock"
	"penstock/internal/emr"
)

// serve returns a client of the AWS SDK for a Service on the real clock.
func serve(t *testing.T, timing emr.Timing, faults emr.Faults) (*sdk.Client, string) {
	t.Helper()
	service := emr.New(emr.Config{Clock: clock.Real{}, Runner: &sizes{}, Timing: timing, Faults: faults})
	server := httptest.NewServer(service.Handler())
	t.Cleanup(func() { server.Close(); service.Close() })
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		RetryMaxAttempts: 1,
	}), server.URL
}

func input(name string) *sdk.RunJobFlowInput {
	return &sdk.RunJobFlowInput{
		Name: &name, ReleaseLabel: aws.String("emr-7.14.0"), ServiceRole: aws.String("r"), JobFlowRole: aws.String("p"),
		Instances: &types.JobFlowInstancesConfig{
			KeepJobFlowAliveWhenNoSteps: aws.Bool(false),
			InstanceFleets: []types.InstanceFleetConfig{{
				InstanceFleetType: types.InstanceFleetTypeMaster, TargetOnDemandCapacity: aws.Int32(1),
				InstanceTypeConfigs: []types.InstanceTypeConfig{{InstanceType: aws.String("m7g.xlarge"), WeightedCapacity: aws.Int32(1)}},
			}},
		},
		AutoTerminationPolicy: &types.AutoTerminationPolicy{IdleTimeout: aws.Int64(600)},
		EbsRootVolumeSize:     aws.Int32(20),
		BootstrapActions: []types.BootstrapActionConfig{{
			Name: aws.String("boot"), ScriptBootstrapAction: &types.ScriptBootstrapActionConfig{Path: aws.String("s3://b/x")},
		}},
		Tags: []types.Tag{{Key: aws.String("hour"), Value: aws.String("07")}},
		Steps: []types.StepConfig{{
			Name: aws.String("one"), ActionOnFailure: types.ActionOnFailureTerminateCluster,
			HadoopJarStep: &types.HadoopJarStepConfig{Jar: aws.String("command-runner.jar"), Args: []string{"x"}},
		}},
	}
}

func TestEveryAnswerHasARequestID(t *testing.T) {
	client, _ := serve(t, emr.Timing{}, emr.NewScript(emr.Rule{Fault: emr.Throttle, Kind: "call", Action: "ListSteps"}))
	out, err := client.ListClusters(t.Context(), &sdk.ListClustersInput{})
	if err != nil {
		t.Fatal(err)
	}
	id, ok := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
	if !ok || id == "" {
		t.Error("an answer has no request id")
	}
	_, err = client.ListSteps(t.Context(), &sdk.ListStepsInput{ClusterId: aws.String("j-1")})
	var failed *awshttp.ResponseError
	if !errors.As(err, &failed) || failed.ServiceRequestID() == "" || failed.ServiceRequestID() == id {
		t.Errorf("an error has no request id of its own: %v", err)
	}
}

func TestTheSDKDrivesACluster(t *testing.T) {
	client, _ := serve(t, emr.Timing{Step: 5 * time.Millisecond}, nil)
	ctx := t.Context()
	out, err := client.RunJobFlow(ctx, input("c"))
	if err != nil {
		t.Fatal(err)
	}
	var cluster *types.Cluster
	for range 500 {
		d, err := client.DescribeCluster(ctx, &sdk.DescribeClusterInput{ClusterId: out.JobFlowId})
		if err != nil {
			t.Fatal(err)
		}
		if cluster = d.Cluster; cluster.Status.State == types.ClusterStateTerminated {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if cluster.Status.State != types.ClusterStateTerminated || cluster.Status.StateChangeReason.Code != types.ClusterStateChangeReasonCodeAllStepsCompleted {
		t.Fatalf("cluster %+v", cluster.Status)
	}
	created := cluster.Status.Timeline.CreationDateTime
	if created == nil || time.Since(*created) > time.Minute || *cluster.Name != "c" || *cluster.Tags[0].Key != "hour" {
		t.Errorf("cluster %+v, created %v", cluster, created)
	}
	steps, err := client.ListSteps(ctx, &sdk.ListStepsInput{ClusterId: out.JobFlowId})
	if err != nil || len(steps.Steps) != 1 || steps.Steps[0].Status.State != types.StepStateCompleted {
		t.Fatalf("steps %+v, error %v", steps, err)
	}
	step, err := client.DescribeStep(ctx, &sdk.DescribeStepInput{ClusterId: out.JobFlowId, StepId: steps.Steps[0].Id})
	if err != nil || step.Step.Config.Args[0] != "x" || step.Step.Status.Timeline.EndDateTime == nil {
		t.Errorf("step %+v, error %v", step, err)
	}
	fleets, err := client.ListInstanceFleets(ctx, &sdk.ListInstanceFleetsInput{ClusterId: out.JobFlowId})
	if err != nil || len(fleets.InstanceFleets) != 1 || fleets.InstanceFleets[0].Status.State != types.InstanceFleetStateTerminated || *fleets.InstanceFleets[0].InstanceTypeSpecifications[0].InstanceType != "m7g.xlarge" {
		t.Errorf("fleets %+v, error %v", fleets, err)
	}
	actions, err := client.ListBootstrapActions(ctx, &sdk.ListBootstrapActionsInput{ClusterId: out.JobFlowId})
	if err != nil || len(actions.BootstrapActions) != 1 || *actions.BootstrapActions[0].ScriptPath != "s3://b/x" {
		t.Errorf("bootstrap actions %+v, error %v", actions, err)
	}
	groups, err := client.ListInstanceGroups(ctx, &sdk.ListInstanceGroupsInput{ClusterId: out.JobFlowId})
	if err != nil || len(groups.InstanceGroups) != 0 {
		t.Errorf("groups %+v, error %v", groups, err)
	}
	list, err := client.ListClusters(ctx, &sdk.ListClustersInput{CreatedAfter: aws.Time(time.Now().Add(-time.Minute)), ClusterStates: []types.ClusterState{types.ClusterStateTerminated}})
	if err != nil || len(list.Clusters) != 1 || *list.Clusters[0].Id != *out.JobFlowId {
		t.Errorf("clusters %+v, error %v", list, err)
	}
}

func TestTheSDKUnderstandsErrors(t *testing.T) {
	script := emr.NewScript(
		emr.Rule{Fault: emr.Throttle, Action: "ListClusters"},
		emr.Rule{Fault: emr.ServerError, Action: "ListClusters"},
		emr.Rule{Fault: emr.LoseAnswer, Action: "RunJobFlow"},
	)
	client, _ := serve(t, emr.DefaultTiming(), script)
	ctx := t.Context()
	code := func(err error) string {
		var e smithy.APIError
		if errors.As(err, &e) {
			return e.ErrorCode()
		}
		return ""
	}
	_, err := client.DescribeCluster(ctx, &sdk.DescribeClusterInput{ClusterId: aws.String("j-NOPE")})
	var invalid *types.InvalidRequestException
	if !errors.As(err, &invalid) || !strings.Contains(invalid.ErrorMessage(), "j-NOPE") {
		t.Errorf("an unknown cluster: %v", err)
	}
	for _, want := range []string{emr.Throttling, emr.Internal} {
		if _, err := client.ListClusters(ctx, &sdk.ListClustersInput{}); code(err) != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if _, err := client.RunJobFlow(ctx, input("c")); err == nil || code(err) != "" {
		t.Errorf("a lost answer: %v", err)
	}
	list, err := client.ListClusters(ctx, &sdk.ListClustersInput{})
	if err != nil || len(list.Clusters) != 1 {
		t.Fatalf("after a lost answer: %+v, %v", list, err)
	}
	if _, err := client.TerminateJobFlows(ctx, &sdk.TerminateJobFlowsInput{JobFlowIds: []string{*list.Clusters[0].Id}}); err != nil {
		t.Error(err)
	}
	if _, err := client.AddTags(ctx, &sdk.AddTagsInput{ResourceId: list.Clusters[0].Id, Tags: []types.Tag{}}); code(err) != emr.UnknownAction {
		t.Errorf("an action that is not here: %v", err)
	}
}

func TestBadRequestsOnTheWire(t *testing.T) {
	_, url := serve(t, emr.Timing{}, nil)
	for _, c := range []struct {
		method, target, body string
		status               int
	}{
		{"GET", "ElasticMapReduce.ListClusters", "", 400},
		{"POST", "", "{}", 400},
		{"POST", "Kinesis_20131202.ListStreams", "{}", 400},
		{"POST", "ElasticMapReduce.ListClusters", "{", 400},
		{"POST", "ElasticMapReduce.ListClusters", strings.Repeat("[", 1<<20), 400},
		{"POST", "ElasticMapReduce.ListClusters", `{"Marker":"` + strings.Repeat("x", 1<<20) + `"}`, 413},
		{"POST", "ElasticMapReduce.ListClusters", "\xff\x00", 400},
		{"POST", "ElasticMapReduce.ListClusters", "", 200},
		{"POST", "ElasticMapReduce.ListClusters", "{}", 200},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, url, bytes.NewReader([]byte(c.body)))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Amz-Target", c.target)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != c.status {
			t.Errorf("%s %s %.20q: status %d, body %s, error %v", c.method, c.target, c.body, response.StatusCode, body, err)
		}
		if c.status != 200 && (response.Header.Get("X-Amzn-Errortype") == "" || !bytes.Contains(body, []byte(`"__type"`))) {
			t.Errorf("%s %.20q: header %v, body %s", c.target, c.body, response.Header, body)
		}
	}
}

func FuzzCall(f *testing.F) {
	f.Add("runJobFlow", []byte(request("c", true, "one", "two!CONTINUE")))
	f.Add("listClusters", []byte(`{"CreatedAfter":1.5,"CreatedBefore":"2026-01-01T00:00:00Z","Marker":"3"}`))
	f.Add("describeStep", []byte(`{"ClusterId":"j-1","StepId":null}`))
	f.Add("terminateJobFlows", []byte(`{"JobFlowIds":[]}`))
	f.Add("listSteps", []byte(`{"StepIds":["a"],"StepStates":[""]}`))
	service := emr.New(emr.Config{Clock: clock.Real{}, Runner: &sizes{}, Timing: emr.DefaultTiming()})
	f.Cleanup(service.Close)
	f.Fuzz(func(t *testing.T, action string, in []byte) {
		_, err := service.Call(context.Background(), action, in)
		var e *emr.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("error %T: %v", err, err)
		}
	})
}
