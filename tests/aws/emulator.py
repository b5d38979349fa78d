"""Starts LocalStack's community runtime (localstack-core) in host mode: without docker, account, or internet.

What it changes, and nothing else:
- functions on provided.al2023 run as plain processes, their own `bootstrap` behind the Lambda runtime API;
- Step Functions and the functions reach EMR at EMR_ENDPOINT, since LocalStack has none;
- CloudFormation takes SAM's references (Function.Version);
- a JSONPath with a wildcard that finds one value gives a list of one;
- functions that an execution calls join the execution's trace, as Step Functions has it: the payloads name the execution;
- the seconds of a Wait state pass WAIT_FACTOR times as fast;
- each AWS call of a function is written down with the function's name into CALLS_FILE, a JSON object a line: the SDK
  puts AWS_SDK_UA_APP_ID into the User-Agent header.
"""

import hashlib
import http.server
import json
import os
import queue
import re
import subprocess
import threading
import time

EMR = os.environ["EMR_ENDPOINT"]
XRAY = os.environ.get("XRAY_ADDRESS", "")
RUN = os.environ["RUN_DIR"]
START = int(time.time())
EXECUTION = re.compile(rb'"execution": ?"(arn:[^"]+)"')
APP = re.compile(r"\bapp/([A-Za-z0-9-]+)")


def reach_emr():
    import boto3
    import localstack.services.stepfunctions.asl.utils.boto_client as boto_client

    original = boto_client.boto_client_for

    def boto_client_for(service, region, state_credentials):
        if service != "emr":
            return original(service=service, region=region, state_credentials=state_credentials)
        return boto3.client(
            "emr", region_name=region, endpoint_url=EMR, config=boto_client._BOTO_CLIENT_CONFIG,
            aws_access_key_id="test", aws_secret_access_key="test")

    boto_client.boto_client_for = boto_client_for  # before the service modules import it by name


def answer_lists():
    """A JSONPath with a wildcard gives a list, also of one: https://states-language.net (JSONPath that is not a Reference
    Path), and so do Step Functions and moto. LocalStack unwraps it where the wildcard is not the last step."""
    import localstack.services.stepfunctions.asl.utils.json_path as json_path

    original = json_path.extract_json

    def extract_json(path, data):
        value = original(path, data)
        if json_path._contains_slice_or_wildcard_array(path):
            found = json_path.parse(path).find(data)
            if len(found) == 1 and not isinstance(found[0].path, json_path.Index):
                return [value]
        return value

    json_path.extract_json = extract_json  # before the service modules import it by name


def hurry_waits():
    from localstack.services.stepfunctions.asl.component.state.state_wait.wait_function.wait_function import WaitFunction

    factor = float(os.environ.get("WAIT_FACTOR", "1"))

    def wait(self, env, wait_seconds):
        end = time.time() + wait_seconds / factor
        while env.is_running() and (left := end - time.time()) > 0:
            env.program_state_event.wait(left)

    WaitFunction._wait_interval = wait


def leave_references_to_the_transform():
    """LocalStack resolves references before the SAM transform, and refuses those that SAM's own documentation has, such
    as !Ref Function.Version. The template holds no Fn::Transform, which is what that pass is for."""
    from localstack.services.cloudformation.engine.v2.change_set_model_transform import ChangeSetModelTransform

    ChangeSetModelTransform._execute_local_transforms = lambda self: None


def record_calls():
    from localstack.aws import handlers

    lock, out = threading.Lock(), open(os.environ["CALLS_FILE"], "a")

    def record(chain, context, response):
        app = APP.search(context.request.headers.get("User-Agent", ""))
        if not app or not context.operation:
            return
        line = {"function": app.group(1), "service": context.service.service_name,
                "operation": context.operation.name, "status": response.status_code}
        with lock:
            out.write(json.dumps(line) + "\n")
            out.flush()

    handlers.run_custom_response_handlers.append(record)


def trace_of(body):
    """The trace header that Step Functions gives the functions it calls, made of the execution's ARN (xray_test.go)."""
    execution = EXECUTION.search(body)
    if not execution:
        return ""
    digest = hashlib.sha256(execution.group(1)).hexdigest()
    return f"Root=1-{START:08x}-{digest[:24]};Parent={digest[24:40]};Sampled=1"


class RuntimeApi(http.server.BaseHTTPRequestHandler):
    """The Lambda runtime API of one process; the server's `executor` is its Process."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        length = self.headers.get("Content-Length")
        if length is not None:
            return self.rfile.read(int(length))
        chunks = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def do_GET(self):
        executor = self.server.executor
        executor.ready.set()
        invocation = executor.invocations.get()
        if invocation is None:
            return self.answer(500)
        request, body, arn, deadline, trace = invocation
        self.answer(200, body, [
            ("Lambda-Runtime-Aws-Request-Id", request), ("Lambda-Runtime-Deadline-Ms", str(deadline)),
            ("Lambda-Runtime-Invoked-Function-Arn", arn), ("Lambda-Runtime-Trace-Id", trace),
            ("Content-Type", "application/json")])

    def do_POST(self):
        body, path = self.body(), self.path.split("/")
        answers = self.server.executor.answers.get(path[-2])
        if path[-1] in ("response", "error") and answers:
            answers.put((body, path[-1] == "error"))
        self.answer(202, b'{"status":"OK"}')


def run_functions_as_processes():
    from localstack import config
    from localstack.services.lambda_.invocation import execution_environment, runtime_executor, version_manager
    from localstack.services.lambda_.invocation.lambda_models import InvocationResult

    class Process(runtime_executor.RuntimeExecutor):
        def __init__(self, id, function_version):
            super().__init__(id=id, function_version=function_version)
            self.name = function_version.id.function_name
            self.process = self.server = None
            self.invocations, self.answers, self.ready = queue.Queue(), {}, threading.Event()
            self.log = os.path.join(RUN, "functions", f"{self.name}-{id[:8]}.log")
            os.makedirs(os.path.dirname(self.log), exist_ok=True)

        def start(self, env_vars):
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RuntimeApi)
            self.server.executor = self
            threading.Thread(target=self.server.serve_forever, daemon=True).start()
            task = str(self.function_version.config.code.get_unzipped_code_location())
            env = {k: str(v) for k, v in env_vars.items()}
            env.update(
                PATH=os.environ["PATH"], HOME=RUN, LAMBDA_TASK_ROOT=task, AWS_SDK_UA_APP_ID=self.name,
                AWS_ENDPOINT_URL_EMR=EMR, AWS_LAMBDA_RUNTIME_API=f"127.0.0.1:{self.server.server_port}")
            if XRAY:
                env["AWS_XRAY_DAEMON_ADDRESS"] = XRAY
            bootstrap = os.path.join(task, "bootstrap")
            os.chmod(bootstrap, 0o755)
            with open(self.log, "wb") as log:
                self.process = subprocess.Popen([bootstrap], cwd=task, env=env, stdout=log, stderr=subprocess.STDOUT)
            while not self.ready.wait(0.05):
                if self.process.poll() is not None:
                    raise RuntimeError("bootstrap exited: " + self.get_logs()[-500:])

        def stop(self):
            self.invocations.put(None)
            if self.process and self.process.poll() is None:
                self.process.kill()
            if self.server:
                self.server.shutdown()
                self.server.server_close()

        def invoke(self, payload):
            request, body = payload["invoke-id"], payload["payload"]
            limit = self.function_version.config.timeout
            answers = self.answers[request] = queue.Queue()
            before, end = len(self.get_logs()), time.time() + limit
            body = body.encode() if isinstance(body, str) else bytes(body)
            self.invocations.put((request, body, payload["invoked-function-arn"], int(end * 1000), trace_of(body) or payload.get("trace-id") or ""))
            result = None
            while result is None:
                try:
                    result = answers.get(timeout=0.2)
                except queue.Empty:
                    if self.process.poll() is not None:
                        result = self.failure("Runtime.ExitError", f"RequestId: {request} Error: Runtime exited with error: exit status {self.process.returncode}")
                    elif time.time() > end:
                        self.process.kill()
                        result = self.failure("Sandbox.Timedout", f"RequestId: {request} Error: Task timed out after {limit:.2f} seconds")
            del self.answers[request]
            return InvocationResult(request_id=request, payload=result[0], is_error=result[1],
                                    logs=self.get_logs()[before:][-65536:] or "\n")

        @staticmethod
        def failure(kind, message):
            return json.dumps({"errorType": kind, "errorMessage": message}).encode(), True

        def get_address(self):
            return "127.0.0.1"

        def get_endpoint_from_executor(self):
            return "127.0.0.1"

        def get_runtime_endpoint(self):
            return f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}/_localstack_lambda/{self.id}"

        def get_logs(self):
            try:
                with open(self.log, errors="replace") as f:
                    return f.read()
            except FileNotFoundError:
                return ""

        @classmethod
        def prepare_version(cls, function_version):
            if function_version.config.code:
                function_version.config.code.prepare_for_execution()

        @classmethod
        def cleanup_version(cls, function_version):
            pass

    for module in (runtime_executor, execution_environment, version_manager):
        module.get_runtime_executor = lambda: Process


answer_lists()
reach_emr()
hurry_waits()
run_functions_as_processes()
leave_references_to_the_transform()
record_calls()
from localstack.runtime.main import main  # noqa: E402 (after the changes)

main()
