#!/bin/bash
# run.sh: the proof over servers that nobody here wrote. Each witness that can't be had is skipped in one line and counted.
#   ONLY=store|stream|path  runs one part        KEEP=1  keeps the run's folder (logs, stack.json)
set -u
here="$(cd "$(dirname "$0")" && pwd)"; cd "$here/../.."; root=$PWD
export RUN_DIR="${RUN_DIR:-$(mktemp -d)}"; mkdir -p "$RUN_DIR"; pids=(); passed=0; failed=0; skipped=0; only=${ONLY:-}
# Servers are asked to end, and after ten seconds ended with what they started: LocalStack may wait for its functions for ever.
finish() {
  local p i left
  for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done
  for i in $(seq 100); do left=; for p in "${pids[@]}"; do kill -0 "$p" 2>/dev/null && left=1; done; [ -n "$left" ] || break; sleep 0.1; done
  for p in "${pids[@]}"; do kill -0 "$p" 2>/dev/null && { pkill -KILL -P "$p"; kill -KILL "$p"; } 2>/dev/null; done
  wait 2>/dev/null
  if [ -n "${KEEP:-}" ]; then echo "test-aws: logs in $RUN_DIR"; else rm -rf "$RUN_DIR"; fi
}
trap finish EXIT
wants() { [ -z "$only" ] || [ "$only" = "$1" ]; }
skip() { echo "test-aws: SKIP $*"; skipped=$((skipped + 1)); }
judge() { if [ "$1" = 0 ]; then passed=$((passed + 1)); echo "test-aws: ok   $2"; else failed=$((failed + 1)); echo "test-aws: FAIL $2"; fi; }
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
up() { local i; for i in $(seq 150); do curl -fs -o /dev/null "$1" && return 0; kill -0 "$2" 2>/dev/null || return 1; sleep 0.3; done; return 1; }
suite() { local name=$1 log="$RUN_DIR/${1// /-}.log"; shift; "$@" >"$log" 2>&1; local rc=$?; grep -Ev "^=== (RUN|PAUSE|CONT)" "$log" | tail -80; judge $rc "$name"; }
modern() { # a Python of 3.13 or later
  local p; for p in python3.14 python3.13 "$HOME"/.pyenv/versions/3.1[34]*/bin/python3 python3; do
    "$p" -c 'import sys; sys.exit(sys.version_info < (3, 13))' 2>/dev/null && { echo "$p"; return 0; }; done; return 1; }

main() { # a function, so that bash has read it whole before it runs
# What is installed and built is begun at once; each is waited for where it is needed.
arch=$([ "$(uname -m)" = aarch64 ] && echo arm64 || echo amd64)
python=; has_moto=; has_localstack=; has_build=
if wants store || wants path; then
  "$here/venv.sh" moto >"$RUN_DIR/moto.setup" 2>&1 & has_moto=$!
fi
python=$(modern) && { "$here/venv.sh" localstack "$python" >"$RUN_DIR/localstack.setup" 2>&1 & has_localstack=$!; }
"$here/npm.sh" >"$RUN_DIR/npm.setup" 2>&1 & has_npm=$!
if wants path; then
  { mkdir -p "dist/linux-$arch/functions" &&
    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags='-s -w' -tags lambda.norpc -o "dist/linux-$arch/functions/" ./functions/... &&
    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags='-s -w' -o "dist/linux-$arch/rollup" ./cmd/rollup &&
    go run ./tests/package dist/functions "dist/linux-$arch"/functions/* && go test -c -o /dev/null ./tests/aws; } >"$RUN_DIR/build.log" 2>&1 & has_build=$!; pids+=($has_build)
fi

if [ -n "$has_moto" ]; then
  if wait $has_moto; then
    p=$(port); .venv-moto/bin/moto_server -p "$p" >"$RUN_DIR/moto.log" 2>&1 & pids+=($!)
    if up "http://127.0.0.1:$p/moto-api/" $!; then
      wants store && suite "store contract over moto" env PENSTOCK_S3_ENDPOINT="http://127.0.0.1:$p" go test -count=1 -run OverAnEndpoint ./internal/store
      PENSTOCK_XRAY_ENDPOINT="http://127.0.0.1:$p"; export PENSTOCK_XRAY_ENDPOINT
    else skip "moto does not start: $(tail -1 "$RUN_DIR/moto.log")"; fi
  else skip "moto can't be had: $(tail -1 "$RUN_DIR/moto.setup")"; fi
fi

npm=; wait $has_npm && npm=1
if wants stream; then
  if [ -n "$npm" ]; then
    kinesis() { # PORT: it must run in its own folder
      (cd .venv-npm/node_modules/kinesis-local && exec env KINESIS_MOCK_PLAIN_PORT="$1" KINESIS_MOCK_TLS_PORT="$(port)" LOG_LEVEL=ERROR \
        AWS_ACCOUNT_ID=000000000000 SHARD_LIMIT=500 CREATE_STREAM_DURATION=20ms DELETE_STREAM_DURATION=20ms SPLIT_SHARD_DURATION=20ms \
        MERGE_SHARDS_DURATION=20ms node main.js) >"$RUN_DIR/kinesis.log" 2>&1 & pids+=($!)
      up "http://127.0.0.1:$1/healthcheck" $!
    }
    p=$(port)
    if kinesis "$p"; then suite "stream contract over kinesis-local" env PENSTOCK_KINESIS_ENDPOINT="http://127.0.0.1:$p" go test -count=1 -run OverAnEndpoint ./internal/stream
    else skip "kinesis-local does not start"; fi
  else skip "kinesis-local can't be had: $(tail -1 "$RUN_DIR/npm.setup")"; fi
fi

if [ -z "$has_localstack" ] || ! wait $has_localstack; then skip "LocalStack can't be had: it needs Python 3.13 and PyPI ($(tail -1 "$RUN_DIR/localstack.setup" 2>/dev/null))"; python=; fi
if wants stream && [ -n "$python" ]; then
  p=$(port)
  env -u AWS_ENDPOINT_URL GATEWAY_LISTEN=127.0.0.1:$p LOCALSTACK_HOST=localhost:$p DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1 DNS_ADDRESS=0 \
    FILESYSTEM_ROOT="$RUN_DIR/fs-throttled" KINESIS_ERROR_PROBABILITY=0.3 EMR_ENDPOINT= CALLS_FILE="$RUN_DIR/calls-throttled.jsonl" \
    .venv-localstack/bin/python "$here/emulator.py" >"$RUN_DIR/throttled.log" 2>&1 & ls=$!; pids+=($ls)
  if up "http://127.0.0.1:$p/_localstack/health" $ls; then
    suite "a stream that throttles, over LocalStack" env PENSTOCK_AWS_THROTTLED="http://127.0.0.1:$p" go test -count=1 -run Throttles -v ./tests/aws
  else skip "LocalStack does not start: $(tail -1 "$RUN_DIR/throttled.log")"; fi
  kill $ls
fi
if wants path || wants store; then
  if [ -n "$python" ]; then
    p=$(port); emr=127.0.0.1:$(port); xray=127.0.0.1:$(port); echo $((10 * 3600 * 1000)) >"$RUN_DIR/clock" # it may only go forward: see hour_test.go; : >"$RUN_DIR/calls.jsonl"
    env -u AWS_ENDPOINT_URL GATEWAY_LISTEN=127.0.0.1:$p LOCALSTACK_HOST=localhost:$p DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1 DNS_ADDRESS=0 \
      FILESYSTEM_ROOT="$RUN_DIR/fs" CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES=1 EMR_ENDPOINT="http://$emr" CALLS_FILE="$RUN_DIR/calls.jsonl" WAIT_FACTOR=6 \
      CLOCK_FILE="$RUN_DIR/clock" NODE_OPTIONS="--require $here/clock.js" XRAY_ADDRESS="$xray" \
      .venv-localstack/bin/python "$here/emulator.py" >"$RUN_DIR/localstack.log" 2>&1 & ls=$!; pids+=($ls)
    if ! up "http://127.0.0.1:$p/_localstack/health" $ls; then skip "LocalStack does not start: $(tail -1 "$RUN_DIR/localstack.log")"; else
      wants store && suite "store contract over LocalStack" env PENSTOCK_S3_ENDPOINT="http://127.0.0.1:$p" go test -count=1 -run OverAnEndpoint ./internal/store
      if wants path; then
        wait $has_build || { cat "$RUN_DIR/build.log"; exit 1; }
        if TEST_EMR=$emr TEST_XRAY=$xray TEST_CLOCK="$RUN_DIR/clock" TEST_CALLS="$RUN_DIR/calls.jsonl" TEST_ROLLUP="$root/dist/linux-$arch/rollup" \
          .venv-localstack/bin/python "$here/deploy.py" "http://127.0.0.1:$p" penstock "$RUN_DIR/stack.json" \
          Architecture=$([ $arch = arm64 ] && echo arm64 || echo x86_64) BatchWindowSeconds=1 MarginSeconds=5 MaxHours=12 StreamMode=PROVISIONED ShardCount=2; then
          # Beside the path: it asks EC2 alone.
          "$here/preflight_check.sh" "http://127.0.0.1:$p" "$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["subnet"])' "$RUN_DIR/stack.json")" >"$RUN_DIR/preflight.log" 2>&1 & preflight=$!
          suite "the path of an hour over LocalStack" env PENSTOCK_AWS_STACK="$RUN_DIR/stack.json" go test -count=1 -timeout 30m -v ./tests/aws
          wait $preflight; rc=$?; cat "$RUN_DIR/preflight.log"; judge $rc "preflight over LocalStack"
          suite "a second stack in the account" .venv-localstack/bin/python "$here/deploy.py" "http://127.0.0.1:$p" penstock-two "$RUN_DIR/second.json" StreamMode=PROVISIONED ShardCount=1
        else judge 1 "template.yaml on LocalStack"; fi
      fi
    fi
  fi
fi
echo "test-aws: $passed ok, $failed failed, $skipped skipped"
[ $failed = 0 ]
}
main
