package aws

import (
	"bufio"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Actions that no call of a function is, and why a role has them all the same.
var implied = []string{
	"kms:Decrypt", "kms:GenerateDataKey", // S3 and Kinesis make these with the caller's rights
	"logs:CreateLogStream", "logs:PutLogEvents", // Lambda writes the log
	"xray:PutTelemetryRecords", "xray:PutTraceSegments", // the daemon sends the segments
	"s3:ListBucket", // without it a key that is missing answers 403 and not 404
}

// The event source mapping reads the stream with the function's role.
var poller = []string{"kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"}

// rare are calls that this run need not make, by function; a test elsewhere makes each.
var rare = map[string][]string{
	"archive": {"s3:GetObject", "s3:PutObject"},             // the read after a 412; what conflicts is kept (internal/archive)
	"compact": {"s3:AbortMultipartUpload"},                  // a multipart upload that fails (internal/store)
	"due":     {"s3:GetObject", "states:DescribeExecution"}, // late data's indexes; runs without an end (internal/due)
	"seal":    {"s3:GetObject"},                             // what the failure destination holds (internal/seal)
	"claim":   {"states:DescribeExecution"},                 // the holder of an hour, when there is one (internal/claim)
	"reap":    {"s3:DeleteObject"},                          // what is older than the grace time of a day at least (internal/clean)
}

// actions are those that a function's role allows.
func (all template) actions(t *testing.T, function string) []string {
	t.Helper()
	role := all["Resources"][all.resource(t, function)+"Role"]
	_, policies, _ := strings.Cut(role, "      Policies:\n")
	var found []string
	for _, m := range regexp.MustCompile(`Action: (\[[^\]]*\]|'[^']*')`).FindAllStringSubmatch(policies, -1) {
		found = append(found, regexp.MustCompile(`[a-z0-9]+:[A-Za-z*]+`).FindAllString(m[1], -1)...)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// action is the permission that a call needs. Calls that IAM names otherwise: S3's listings, reads of metadata and the
// parts of an upload, and Lambda's and Step Functions' prefixes.
func action(service, operation string) string {
	prefix := map[string]string{"stepfunctions": "states", "emr": "elasticmapreduce"}[service]
	if prefix == "" {
		prefix = service
	}
	if service == "s3" {
		switch operation {
		case "ListObjectsV2", "ListObjects":
			operation = "ListBucket"
		case "HeadObject":
			operation = "GetObject"
		case "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload":
			operation = "PutObject"
		}
	}
	return prefix + ":" + operation
}

// roles holds that each function's role allows exactly what the function did in this run, besides the lists above.
func (s *stack) roles(t *testing.T) {
	made := map[string]map[string]bool{}
	add := func(app, service, operation string) {
		function, ok := strings.CutPrefix(app, s.Stack+"-")
		if !ok {
			return
		}
		if made[function] == nil {
			made[function] = map[string]bool{}
		}
		made[function][action(service, operation)] = true
	}
	f, err := os.Open(s.Calls)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var c struct{ Function, Service, Operation string }
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		add(c.Function, c.Service, c.Operation)
	}
	s.mu.Lock()
	for _, c := range s.emrCalls {
		add(c.app, "emr", c.action)
	}
	s.mu.Unlock()
	all := readTemplate(t)
	for _, name := range functions(t) {
		allowed := all.actions(t, name)
		for a := range made[name] {
			if !slices.Contains(allowed, a) {
				t.Errorf("%s called %s, which its role does not allow", name, a)
			}
		}
		for _, a := range allowed {
			fine := made[name][a] || slices.Contains(implied, a) || slices.Contains(rare[name], a) ||
				(name == "archive" || name == "metrics") && slices.Contains(poller, a)
			if !fine {
				t.Errorf("the role of %s allows %s, which it did not call", name, a)
			}
		}
		if len(made[name]) == 0 && name != "metrics" {
			t.Errorf("%s made no call", name)
		}
	}
}
