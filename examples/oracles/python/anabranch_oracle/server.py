"""The server around the service: health, reflection, TLS, the token, the command line, an orderly end."""

import argparse
import hmac
import ipaddress
import logging
import os
import pathlib
import signal
import sys
import threading
from concurrent import futures
from typing import Any, Callable, Iterator, List, Optional

import grpc

from anabranch_oracle import contract
from anabranch_oracle.definition import Oracle
from anabranch_oracle.engine import LOG, Engine
from anabranch_oracle.service import Refusal, RewardService

MAX_MESSAGE_BYTES = 64 << 20
THREADS = 64  # Of the server; those that evaluate are the engine's.
MAX_EVALUATES = 40  # Under way at a time; the other threads stay free for health and reflection.
MAX_STREAMS = 16  # Each Watch or reflection stream holds a thread as long as it lives.
SERVICE = "anabranch.v1.RewardService"
HEALTH = "grpc.health.v1.Health"
REFLECTION = "grpc.reflection.v1alpha.ServerReflection"
ERROR_INFO_URL = "type.googleapis.com/google.rpc.ErrorInfo"


def abort(context: Any, refusal: Refusal) -> None:
    """Ends the call with the code, and with the reason where machines look for it. Raises."""
    code = getattr(grpc.StatusCode, refusal.code)
    message = str(refusal)
    details = contract.RpcStatus(code=code.value[0], message=message)
    info = contract.ErrorInfo(reason=refusal.reason, domain="anabranch")
    details.details.add(type_url=ERROR_INFO_URL, value=info.SerializeToString())
    context.set_trailing_metadata((("grpc-status-details-bin", details.SerializeToString()),))
    context.abort(code, message)


class Server:
    """Serves an oracle from `start` to `stop`."""

    def __init__(self, service: RewardService, token: str = "") -> None:
        self._service = service
        self._token = token
        self._changed = threading.Condition()
        self._status = contract.NOT_SERVING
        self._stopped = False
        self._evaluates = threading.Semaphore(MAX_EVALUATES)
        self._streams = threading.Semaphore(MAX_STREAMS)
        self._server = grpc.server(
            futures.ThreadPoolExecutor(THREADS, "grpc"),
            options=[
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),  # Two servers on one port are a mistake, not a cluster.
                # Callers ping every 20 s, also between calls.
                ("grpc.http2.min_ping_interval_without_data_ms", 5000),
                ("grpc.keepalive_permit_without_calls", 1),
            ],
        )
        self._server.add_generic_rpc_handlers(tuple(self._handlers()))

    def start(self, listen: str, credentials: Optional[Any] = None) -> int:
        """Returns the port. Raises RuntimeError where the address can't be had."""
        if credentials is None:
            port = self._server.add_insecure_port(listen)
        else:
            port = self._server.add_secure_port(listen, credentials)
        if port == 0:
            raise RuntimeError("the address can't be bound")
        self._server.start()
        self._set_status(contract.SERVING)
        return port

    def stop(self, grace_seconds: float) -> None:
        """NOT_SERVING, no new calls; those that run have `grace_seconds`."""
        with self._changed:
            self._stopped = True
        self._set_status(contract.NOT_SERVING)
        self._server.stop(grace_seconds).wait()

    def _set_status(self, status: int) -> None:
        with self._changed:
            self._status = status
            self._changed.notify_all()

    def _handlers(self) -> List[Any]:
        def unary(behaviour: Callable[..., Any], request: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(
                behaviour, request.FromString, lambda message: message.SerializeToString()
            )

        health = contract.HealthCheckRequest
        return [
            grpc.method_handlers_generic_handler(
                SERVICE,
                {
                    "Describe": unary(self._describe, contract.DescribeRequest),
                    "Evaluate": unary(self._evaluate, contract.EvaluateRequest),
                },
            ),
            grpc.method_handlers_generic_handler(
                HEALTH,
                {
                    "Check": unary(self._check_health, health),
                    "Watch": grpc.unary_stream_rpc_method_handler(
                        self._watch_health, health.FromString, lambda message: message.SerializeToString()
                    ),
                },
            ),
            grpc.method_handlers_generic_handler(
                REFLECTION,
                {
                    "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
                        self._reflect, contract.ReflectionRequest.FromString, lambda message: message.SerializeToString()
                    )
                },
            ),
        ]

    def _authorise(self, context: Any, method: str) -> None:
        if not self._token:
            return
        given = dict(context.invocation_metadata()).get("authorization", "")
        if isinstance(given, bytes) or not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            what = "a wrong token" if given else "no token"
            LOG.warning("refused %s from %s: %s", method, context.peer(), what)
            abort(context, Refusal("UNAUTHENTICATED", "UNAUTHENTICATED", f"the call brings {what}"))

    def _describe(self, request: Any, context: Any) -> Any:
        self._authorise(context, "Describe")
        return self._service.describe(request)

    def _evaluate(self, request: Any, context: Any) -> Any:
        self._authorise(context, "Evaluate")
        if not self._evaluates.acquire(blocking=False):
            abort(context, Refusal("RESOURCE_EXHAUSTED", "OVERLOADED", f"{MAX_EVALUATES} requests are under way"))
        try:
            return self._service.evaluate(request, context.is_active)
        except Refusal as refusal:
            LOG.warning("refused Evaluate from %s: %s", context.peer(), refusal)
            return abort(context, refusal)
        finally:
            self._evaluates.release()

    def _health_of(self, service: str) -> int:
        return self._status if service in ("", SERVICE) else contract.SERVICE_UNKNOWN

    def _check_health(self, request: Any, context: Any) -> Any:
        status = self._health_of(request.service)
        if status == contract.SERVICE_UNKNOWN:
            context.abort(grpc.StatusCode.NOT_FOUND, f"service: there is no {request.service!r}")
        return contract.HealthCheckResponse(status=status)

    def _watch_health(self, request: Any, context: Any) -> Iterator[Any]:
        with self._stream(context):
            told = None
            context.add_callback(lambda: self._set_status(self._status))  # Wakes this thread when the caller goes.
            while context.is_active():
                with self._changed:
                    status = self._health_of(request.service)
                    if status == told:
                        if self._stopped:
                            return
                        self._changed.wait()
                        continue
                told = status
                yield contract.HealthCheckResponse(status=status)

    def _stream(self, context: Any) -> Any:
        if not self._streams.acquire(blocking=False):
            abort(context, Refusal("RESOURCE_EXHAUSTED", "OVERLOADED", f"{MAX_STREAMS} streams are open"))
        return _Releasing(self._streams)

    def _reflect(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        self._authorise(context, "ServerReflectionInfo")
        with self._stream(context):
            for request in requests:
                yield reflection_answer(request)


class _Releasing:
    def __init__(self, semaphore: threading.Semaphore) -> None:
        self._semaphore = semaphore

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_error: Any) -> None:
        self._semaphore.release()


def _with_imports(file: Any, into: "dict[str, bytes]") -> None:
    for needed in file.dependencies:
        _with_imports(needed, into)
    into[file.name] = file.serialized_pb


def reflection_answer(request: Any) -> Any:
    """The answer to one question."""
    out = contract.ReflectionResponse(valid_host=request.host, original_request=request)
    question = request.WhichOneof("message_request")
    try:
        if question == "list_services":
            for name in (SERVICE, HEALTH, REFLECTION):
                out.list_services_response.service.add(name=name)
            return out
        if question == "file_by_filename":
            file = contract.POOL.FindFileByName(request.file_by_filename)
        elif question == "file_containing_symbol":
            file = contract.POOL.FindFileContainingSymbol(request.file_containing_symbol)
        else:
            raise KeyError("this question is not answered here")
        files: "dict[str, bytes]" = {}
        _with_imports(file, files)
        # The file that was asked for comes first; readers fetch or find the others.
        out.file_descriptor_response.file_descriptor_proto.extend(reversed(list(files.values())))
    except KeyError as error:
        out.error_response.error_code = grpc.StatusCode.NOT_FOUND.value[0]
        out.error_response.error_message = str(error)
    return out


def is_loopback(listen: str) -> bool:
    """Whether only this machine reaches the address."""
    if listen.startswith("unix:"):
        return True
    host = listen.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_flags(made: Oracle, arguments: Optional[List[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=f"Serves {made.name}: {', '.join(made.names)} of {', '.join(made.formats)}.",
        epilog=f"Check it with: anabranch check-oracle HOST:PORT. Fingerprint: {made.fingerprint}",
    )
    parser.add_argument("--listen", default="127.0.0.1:7500", metavar="HOST:PORT", help="default %(default)s; port 0 takes a free one")
    parser.add_argument("--insecure", action="store_true", help="plaintext off loopback: whoever reaches the port may ask")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="batches scored side by side, for a function that is thread-safe and waits (default 1)")
    parser.add_argument("--processes", type=int, default=0, metavar="N", help="the same in N worker processes, for a function that computes; a crash ends one of them only (default 0: none)")
    parser.add_argument("--certificate-file", metavar="PEM", help="serve TLS with this certificate chain; needs --key-file")
    parser.add_argument("--key-file", metavar="PEM", help="private key of the certificate")
    parser.add_argument("--ca-file", metavar="PEM", help="refuse clients without a certificate that these authorities have signed (mTLS)")
    parser.add_argument("--token-file", metavar="FILE", help="refuse calls without this bearer token; needs TLS")
    parser.add_argument("--grace", type=float, default=30.0, metavar="S", help="seconds that calls have to end after SIGTERM (default 30)")
    flags = parser.parse_args(arguments)
    if bool(flags.certificate_file) != bool(flags.key_file):
        parser.error("--certificate-file and --key-file go together; one is missing")
    if flags.ca_file and not flags.certificate_file:
        parser.error("--ca-file asks clients for certificates; give --certificate-file and --key-file too")
    if flags.token_file and not flags.certificate_file:
        parser.error("--token-file: a token is sent over TLS only; give --certificate-file and --key-file")
    if not flags.certificate_file and not is_loopback(flags.listen) and not flags.insecure:
        parser.error(f"--listen {flags.listen} is reached from other machines; give --certificate-file and --key-file, or --insecure")
    if flags.threads < 1 or flags.processes < 0:
        parser.error(f"--threads {flags.threads} --processes {flags.processes}: give at least 1 thread")
    return flags


def _read(path: str) -> bytes:
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise SystemExit(f"{path}: {error.strerror}; give a file that can be read") from None


def _read_token(path: str) -> str:
    token = _read(path).decode("ascii", "replace").strip()
    if not token or not token.isprintable() or not token.isascii():
        raise SystemExit(f"{path}: holds no token; give a file with one line of printable ASCII")
    return token


def _credentials(flags: argparse.Namespace) -> Optional[Any]:
    if not flags.certificate_file:
        return None
    authorities = _read(flags.ca_file) if flags.ca_file else None
    pair = (_read(flags.key_file), _read(flags.certificate_file))
    return grpc.ssl_server_credentials([pair], authorities, require_client_auth=bool(authorities))


def serve(made: Oracle, arguments: Optional[List[str]] = None) -> None:
    """Serves the oracle as the command line says, until SIGTERM or Ctrl-C. Prints the address when it serves."""
    flags = parse_flags(made, arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    asked_to_end = threading.Event()

    def end(_signal: int, _frame: Any) -> None:
        if asked_to_end.is_set():
            os._exit(1)  # Asked twice: at once.
        asked_to_end.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    token = _read_token(flags.token_file) if flags.token_file else ""
    credentials = _credentials(flags)
    engine = Engine(made, flags.threads, flags.processes)
    server = Server(RewardService(made, engine), token)
    try:
        port = server.start(flags.listen, credentials)
    except RuntimeError as error:
        raise SystemExit(f"--listen {flags.listen}: {error}; is another server running there?") from None
    address = flags.listen if flags.listen.startswith("unix:") else f"{flags.listen.rpartition(':')[0]}:{port}"
    print(f"{made.name} serves on {address}, fingerprint {made.fingerprint}", flush=True)
    asked_to_end.wait()
    LOG.info("ending: calls that run have %g s", flags.grace)
    server.stop(flags.grace)
    engine.close()
