"""What the tests of the Python oracles share: they skip (77) without gRPC, and start examples as processes."""

import contextlib
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "oracles" / "python"
SKIPPED = 77

sys.path.insert(0, str(EXAMPLES))
try:
    import grpc
    import google.protobuf  # noqa: F401
except ImportError as error:
    print(f"{error}; on Debian: apt-get install python3-grpcio python3-protobuf")
    sys.exit(SKIPPED)

from anabranch_oracle import contract  # noqa: E402


@contextlib.contextmanager
def running(script, *arguments, environment=None, directory=None):
    """Yields (address, process) of an example that serves; ends it by SIGTERM."""
    command = [sys.executable, "-B", str(EXAMPLES / script), "--listen", "127.0.0.1:0", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=directory, env={**os.environ, **(environment or {})}
    )
    try:
        line = process.stdout.readline()
        if " serves on " not in line:
            raise AssertionError(f"{script} did not start: {line!r}, exit status {process.wait()}")
        yield line.split(" serves on ")[1].split(",")[0], process
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


class Client:
    """Calls an oracle the way another language would: by method names and messages alone."""

    def __init__(self, channel, token=None):
        self.channel = channel
        self._metadata = (("authorization", f"Bearer {token}"),) if token is not None else ()

    def call(self, method, request, response):
        stub = self.channel.unary_unary(method, lambda message: message.SerializeToString(), response.FromString)
        return stub(request, timeout=60, metadata=self._metadata)

    def describe(self):
        return self.call(
            "/anabranch.v1.RewardService/Describe", contract.DescribeRequest(), contract.DescribeResponse
        )

    def evaluate(self, request):
        return self.call("/anabranch.v1.RewardService/Evaluate", request, contract.EvaluateResponse)

    def health(self, service=""):
        request = contract.HealthCheckRequest(service=service)
        return self.call("/grpc.health.v1.Health/Check", request, contract.HealthCheckResponse).status


def insecure_client(address):
    return Client(grpc.insecure_channel(address))


def request_of(objects, object_format="sequence", request_id="r", **fields):
    request = contract.EvaluateRequest(request_id=request_id, format=object_format, **fields)
    for one in objects:
        request.objects.add(inline=one if isinstance(one, bytes) else one.encode())
    return request


def statuses(response):
    names = {number: name for name, number in contract.STATUS.items()}
    return [names[status] for status in response.statuses]


def reason_of(error):
    """The reason that machines read, from the trailers of an RpcError."""
    for key, value in error.trailing_metadata():
        if key == "grpc-status-details-bin":
            status = contract.RpcStatus.FromString(value)
            for detail in status.details:
                if detail.type_url == "type.googleapis.com/google.rpc.ErrorInfo":
                    return contract.ErrorInfo.FromString(detail.value).reason
    return ""
