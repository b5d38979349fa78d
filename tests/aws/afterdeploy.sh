#!/bin/bash
# afterdeploy.sh STACK PLAYBOOK: puts the clusters' programs and the playbook under code/ of the hours bucket, and forbids
# that an update replaces or deletes what holds data.
set -eu
stack=$1 playbook=$2
hours=$(aws cloudformation describe-stacks --stack-name "$stack" --query "Stacks[0].Outputs[?OutputKey=='HoursBucket'].OutputValue" --output text)
for arch in arm64 amd64; do aws s3 cp --only-show-errors "dist/linux-$arch/rollup" "s3://$hours/code/linux-$arch/rollup"; done
aws s3 cp --only-show-errors "$playbook" "s3://$hours/code/playbooks/$(basename "$playbook")"
aws cloudformation set-stack-policy --stack-name "$stack" --stack-policy-body '{"Statement":[
 {"Effect":"Allow","Principal":"*","Action":"Update:*","Resource":"*"},
 {"Effect":"Deny","Principal":"*","Action":["Update:Replace","Update:Delete"],"Resource":["LogicalResourceId/Key","LogicalResourceId/EventStream",
  "LogicalResourceId/ArchiveMapping","LogicalResourceId/ArchiveBucket","LogicalResourceId/HoursBucket","LogicalResourceId/FailureBucket"]}]}'
aws cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].Outputs[].[OutputKey,OutputValue]' --output text
