#!/bin/bash
# preflight.sh STACK SUBNET PLAYBOOK: what EMR and Lambda will need, asked before anything is deployed. Each line that
# begins with "preflight: no" says what is missing and how to mend it; then it fails.
set -u
stack=$1 subnet=$2 playbook=$3; bad=0; tag=for-use-with-amazon-emr-managed-policies
no() { echo "preflight: no $*"; bad=1; }
ok() { echo "preflight: ok $*"; }
[[ $stack =~ ^[A-Za-z][A-Za-z0-9-]{0,39}$ ]] || no "stack name \"$stack\": a letter, then up to 39 letters, digits or hyphens"
[ -f "$playbook" ] || no "playbook $playbook"
[ -n "$subnet" ] || { no "SUBNET: make deploy STACK=$stack SUBNET=subnet-..."; exit 1; }
who=$(aws sts get-caller-identity --query Account --output text 2>&1) || { no "credentials: $who"; exit 1; }
ok "account $who, region ${AWS_REGION:-${AWS_DEFAULT_REGION:-of the profile}}"

vpc=$(aws ec2 describe-subnets --subnet-ids "$subnet" --query 'Subnets[0].VpcId' --output text 2>&1) || { no "subnet $subnet: $vpc"; exit 1; }
marked() { aws ec2 describe-tags --filters "Name=resource-id,Values=$1" "Name=key,Values=$tag" --query 'Tags[0].Value' --output text; }
for resource in "$subnet" "$vpc"; do
  if [ "$(marked "$resource")" = true ]; then ok "$resource is tagged for EMR"
  else no "tag on $resource: aws ec2 create-tags --resources $resource --tags Key=$tag,Value=true"; fi
done
# Groups that EMR makes itself it tags itself; groups made by somebody else for EMR need the tag.
for group in $(aws ec2 describe-security-groups --filters "Name=vpc-id,Values=$vpc" "Name=group-name,Values=ElasticMapReduce-*" --query 'SecurityGroups[].GroupId' --output text); do
  if [ "$(marked "$group")" = true ]; then ok "security group $group is tagged for EMR"
  else no "tag on security group $group: aws ec2 create-tags --resources $group --tags Key=$tag,Value=true"; fi
done

table=$(aws ec2 describe-route-tables --filters "Name=association.subnet-id,Values=$subnet" --query 'RouteTables[0].RouteTableId' --output text)
[ "$table" != None ] || table=$(aws ec2 describe-route-tables --filters "Name=vpc-id,Values=$vpc" "Name=association.main,Values=true" --query 'RouteTables[0].RouteTableId' --output text)
way=$(aws ec2 describe-route-tables --route-table-ids "$table" --query "RouteTables[0].Routes[?DestinationCidrBlock=='0.0.0.0/0'].[NatGatewayId,GatewayId,TransitGatewayId,NetworkInterfaceId]" --output text 2>/dev/null | tr -s '\t' ' ')
interfaces=$(aws ec2 describe-vpc-endpoints --filters "Name=vpc-id,Values=$vpc" "Name=vpc-endpoint-type,Values=Interface" --query 'VpcEndpoints[].ServiceName' --output text 2>/dev/null)
if [[ $way == *nat-* || $way == *igw-* || $way == *tgw-* || $way == *eni-* || $interfaces == *elasticmapreduce* ]]; then ok "$subnet has a way to EMR's and EC2's APIs"
else no "route from $subnet (table $table) to EMR's and EC2's APIs: a NAT gateway, or interface endpoints elasticmapreduce, ec2, kms, logs"; fi
gateways=$(aws ec2 describe-vpc-endpoints --filters "Name=vpc-id,Values=$vpc" "Name=vpc-endpoint-type,Values=Gateway" --query 'VpcEndpoints[].[ServiceName,RouteTableIds[]]' --output text 2>/dev/null | tr '\n' ' ')
if [[ $gateways == *.s3* && $gateways == *$table* ]]; then ok "S3 gateway endpoint in table $table"
else no "S3 gateway endpoint in route table $table: aws ec2 create-vpc-endpoint --vpc-id $vpc --service-name com.amazonaws.REGION.s3 --route-table-ids $table"; fi

# Standard instances, on demand (L-1216C47A) and spot (L-34B43A08), count vCPUs; the fleets' units are about that.
if [ -f "$playbook" ]; then
  read -r demand spot < <(python3 -c "
import json, sys
fleets = json.load(open(sys.argv[1]))['cluster']['fleets']
units = lambda kind: sum(f.get(kind, 0) * (4 if f['role'] == 'MASTER' else 1) for f in fleets)
print(units('onDemand') + units('spot'), units('spot'))" "$playbook")
  for quota in "L-1216C47A $demand on-demand" "L-34B43A08 $spot spot"; do
    read -r code need kind <<<"$quota"
    have=$(aws service-quotas get-service-quota --service-code ec2 --quota-code "$code" --query Quota.Value --output text 2>/dev/null) || { echo "preflight: ?  $kind vCPU quota: it could not be asked; a cluster takes about $need"; continue; }
    if [ "${have%.*}" -ge "$need" ]; then ok "$kind vCPU quota ${have%.*}, a cluster takes about $need"
    else no "$kind vCPU quota ${have%.*}: a cluster takes about $need; aws service-quotas request-service-quota-increase --service-code ec2 --quota-code $code --desired-value $((need * 3))"; fi
  done
fi
free=$(aws lambda get-account-settings --query AccountLimit.UnreservedConcurrentExecutions --output text 2>/dev/null)
if [[ $free =~ ^[0-9]+$ ]] && [ "$free" -lt 228 ] && ! aws cloudformation describe-stacks --stack-name "$stack" >/dev/null 2>&1; then
  no "Lambda concurrency $free: the stack reserves 128 and Lambda keeps 100 free; PARAMETERS=ReserveConcurrency=false"
fi
exit $bad
