#!/bin/bash
# preflight_check.sh ENDPOINT SUBNET: preflight.sh over an emulator's EC2, before and after what it asks for is there.
set -eu
here="$(cd "$(dirname "$0")" && pwd)"; subnet=$2
export AWS_ENDPOINT_URL=$1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1 PATH="$here/../../.venv-localstack/bin:$PATH"
playbook="$here/../../playbooks/video.json"
if before=$("$here/preflight.sh" penstock "$subnet" "$playbook"); then echo "it found nothing missing: $before"; exit 1; fi
for line in "no tag on $subnet" "no tag on vpc-" "no route from $subnet" "no S3 gateway endpoint"; do
  grep -q "preflight: $line" <<<"$before" || { echo "it does not say \"$line\": $before"; exit 1; }
done
vpc=$(aws ec2 describe-subnets --subnet-ids "$subnet" --query 'Subnets[0].VpcId' --output text)
aws ec2 create-tags --resources "$subnet" "$vpc" --tags Key=for-use-with-amazon-emr-managed-policies,Value=true
table=$(aws ec2 describe-route-tables --filters "Name=vpc-id,Values=$vpc" --query 'RouteTables[0].RouteTableId' --output text)
gateway=$(aws ec2 create-internet-gateway --query InternetGateway.InternetGatewayId --output text)
aws ec2 attach-internet-gateway --internet-gateway-id "$gateway" --vpc-id "$vpc"
aws ec2 create-route --route-table-id "$table" --destination-cidr-block 0.0.0.0/0 --gateway-id "$gateway" >/dev/null
aws ec2 create-vpc-endpoint --vpc-endpoint-type Gateway --vpc-id "$vpc" --service-name com.amazonaws.us-east-1.s3 --route-table-ids "$table" >/dev/null
after=$("$here/preflight.sh" penstock "$subnet" "$playbook") || { echo "it still refuses: $after"; exit 1; }
if "$here/preflight.sh" "a stack" "$subnet" "$playbook" >/dev/null; then echo "it takes a stack's name with a space"; exit 1; fi
echo "ok: four findings before, none after"
