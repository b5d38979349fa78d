package aws

import (
	"strings"
	"testing"
)

// No server here can witness the policy: moto 5.2.5 takes a Null or Bool condition as met, and so refuses each write;
// LocalStack looks at no policy. So its words are held, which are those of S3's user guide, "Enforce conditional writes".
func TestTheArchiveIsWrittenOnceByPolicy(t *testing.T) {
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
