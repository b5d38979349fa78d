#!/bin/bash
# validate.sh: what foreign validators say of template.yaml and the state machines. A validator that can't be had is
# skipped in one line and counted; a finding fails.
here="$(cd "$(dirname "$0")" && pwd)"; cd "$here/../.."
passed=0; failed=0; skipped=0
check() { # NAME SETUP COMMAND...
  local name=$1 setup=$2; shift 2
  if ! $setup >/dev/null 2>&1; then echo "validate: SKIP $name: it can't be had here"; skipped=$((skipped+1)); return; fi
  local out; if out="$("$@" 2>&1)"; then echo "validate: ok   $name"; passed=$((passed+1)); else
    echo "validate: FAIL $name"; echo "$out"; failed=$((failed+1)); fi
}
asl() { # placeholders stand for ARNs when the machines run
  local f tmp; tmp="$(mktemp -d)"; trap 'rm -rf "$tmp"' RETURN
  for f in statemachines/*.asl.json; do
    sed -e 's/\${Partition}/aws/g' -e 's/\${HourMachine}/arn:aws:states:us-east-1:123456789012:stateMachine:hour/g' \
      -e 's/\${\([A-Za-z]*\)Function}/arn:aws:lambda:us-east-1:123456789012:function:\1:1/g' "$f" >"$tmp/${f##*/}"
    if grep -n '\${' "$tmp/${f##*/}"; then echo "$f: unknown placeholder"; return 1; fi
    node .venv-npm/node_modules/.bin/asl-validator --json-path "$tmp/${f##*/}" || return 1
  done
}
check "cfn-lint template.yaml" "$here/venv.sh lint" .venv-lint/bin/cfn-lint template.yaml
check "sam validate --lint" "$here/venv.sh sam" env AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam validate --lint --template template.yaml
check "asl-validator statemachines/" "$here/npm.sh" asl
check "checkov template.yaml" "$here/venv.sh checkov" .venv-checkov/bin/checkov -f template.yaml --config-file "$here/checkov.yaml"
echo "validate: $passed ok, $failed failed, $skipped skipped"
[ $failed = 0 ]
