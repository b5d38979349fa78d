"""deploy.py ENDPOINT STACK OUT [NAME=VALUE ...]: what `sam package` and `sam deploy` do, for an emulator.

Uploads the packages and machine definitions that template.yaml names, points the template at them (the one change that
sam makes too), creates or updates the stack through the SAM transform, and writes outputs and resources to OUT.
"""

import hashlib
import json
import os
import re
import sys
import time

import boto3
from botocore.config import Config

endpoint, stack, out, *parameters = sys.argv[1:]
root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
options = dict(endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test",
               config=Config(retries={"max_attempts": 0}, read_timeout=120, s3={"addressing_style": "path"}))
s3, cloudformation, ec2 = (boto3.client(s, **options) for s in ("s3", "cloudformation", "ec2"))
packages = "packages-" + stack
s3.create_bucket(Bucket=packages)


def upload(match):
    with open(os.path.join(root, match.group(2)), "rb") as f:
        data = f.read()
    key = hashlib.sha256(data).hexdigest()[:16] + "-" + os.path.basename(match.group(2))
    s3.put_object(Bucket=packages, Key=key, Body=data)
    return f"{match.group(1)}: s3://{packages}/{key}"


with open(os.path.join(root, "template.yaml")) as f:
    template = re.sub(r"(CodeUri|DefinitionUri): (\S+)", upload, f.read())
s3.put_object(Bucket=packages, Key="template.yaml", Body=template.encode())
vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
values = dict(p.split("=", 1) for p in ["SubnetId=" + subnet, *parameters])

started = time.time()
kind = "CREATE"
try:
    cloudformation.describe_stacks(StackName=stack)
    kind = "UPDATE"
except cloudformation.exceptions.ClientError:
    pass
name = f"c{time.time_ns()}"
cloudformation.create_change_set(
    StackName=stack, ChangeSetName=name, ChangeSetType=kind, TemplateURL=f"{endpoint}/{packages}/template.yaml",
    Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in values.items()])
while (change := cloudformation.describe_change_set(StackName=stack, ChangeSetName=name))["Status"] not in ("CREATE_COMPLETE", "FAILED"):
    time.sleep(0.25)
if change["Status"] == "FAILED":
    sys.exit(f"change set: {change.get('StatusReason', '')[:2000]}")
cloudformation.execute_change_set(StackName=stack, ChangeSetName=name)
time.sleep(0.5)
while (state := cloudformation.describe_stacks(StackName=stack)["Stacks"][0])["StackStatus"].endswith("IN_PROGRESS"):
    if time.time() - started > 300:
        sys.exit("not deployed within five minutes")
    time.sleep(0.25)
resources = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
for r in resources:
    if not r["ResourceStatus"].endswith("_COMPLETE") or "FAILED" in r["ResourceStatus"]:
        print(r["LogicalResourceId"], r["ResourceType"], r["ResourceStatus"], r.get("ResourceStatusReason", "")[:300], file=sys.stderr)
if state["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
    sys.exit(f"{stack}: {state['StackStatus']} {state.get('StackStatusReason', '')[:600]}")
outputs = {o["OutputKey"]: o["OutputValue"] for o in state.get("Outputs", [])}
key = boto3.client("apigateway", **options).get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)["value"]
with open(out, "w") as f:
    json.dump({"stack": stack, "endpoint": endpoint, "subnet": subnet, "apiKey": key, "outputs": outputs,
               **{k: os.environ.get("TEST_" + k.upper(), "") for k in ("emr", "clock", "calls", "rollup", "xray")},
               "resources": {r["LogicalResourceId"]: r.get("PhysicalResourceId") for r in resources}}, f, indent=1, sort_keys=True)
print(f"{stack}: {state['StackStatus']}, {len(resources)} resources, {time.time() - started:.1f} s")
