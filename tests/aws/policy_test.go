package aws

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// policy is the statement WriteOnce of the archive bucket as S3 gets it.
const policy = `{"Version":"2012-10-17","Statement":[{"Sid":"WriteOnce","Effect":"Deny","Principal":"*","Action":"s3:PutObject",
"Resource":"arn:aws:s3:::BUCKET/*","Condition":{"Null":{"s3:if-none-match":"true"},"Bool":{"s3:ObjectCreationOperation":"true"}}}]}`

func TestTheWriteOncePolicyIsThatOfTheTemplate(t *testing.T) {
	entry := readTemplate(t)["Resources"]["ArchiveBucketPolicy"]
	_, statement, _ := strings.Cut(entry, "          - Sid: WriteOnce\n")
	want := `            Effect: Deny
            Principal: '*'
            Action: 's3:PutObject'
            Resource: !Sub '${ArchiveBucket.Arn}/*'
            Condition:
              'Null': { 's3:if-none-match': 'true' }
              Bool: { 's3:ObjectCreationOperation': 'true' }
`
	if statement != want {
		t.Errorf("the template has\n%swant\n%s", statement, want)
	}
}

// moto enforces bucket policies; LocalStack does not.
func TestTheWriteOncePolicyOverMoto(t *testing.T) {
	endpoint := os.Getenv("PENSTOCK_MOTO_ENDPOINT")
	if endpoint == "" {
		t.Skip("PENSTOCK_MOTO_ENDPOINT names no moto server")
	}
	client := s3.New(s3.Options{BaseEndpoint: &endpoint, UsePathStyle: true, Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
	bucket := aws.String("penstock-write-once")
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(strings.ReplaceAll(policy, "BUCKET", *bucket))}); err != nil {
		t.Fatal(err)
	}
	put := func(match *string) string {
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("a"), Body: strings.NewReader("x"), IfNoneMatch: match})
		var api smithy.APIError
		if errors.As(err, &api) {
			return api.ErrorCode()
		}
		if err != nil {
			return err.Error()
		}
		return ""
	}
	if code := put(nil); code != "AccessDenied" {
		t.Errorf("a write without condition: %q, want AccessDenied", code)
	}
	if code := put(aws.String("*")); code != "" {
		t.Errorf("a first write if absent: %q", code)
	}
	if code := put(aws.String("*")); code != "PreconditionFailed" {
		t.Errorf("a second write if absent: %q, want PreconditionFailed", code)
	}
}
