"""The server around the service: health, reflection, the token, an orderly end."""

import hmac
import logging
import os
import signal
import sys
import threading
from concurrent import futures
from typing import Any, Callable, Iterator, List, Optional

import grpc

from anabranch_oracle import contract
from anabranch_oracle.definition import Oracle
from anabranch_oracle.engine import LOG, Engine
from anabranch_oracle.flags import credentials_of, parse_flags, read_token
from anabranch_oracle.reflection import HEALTH, REFLECTION, SERVICE, reflection_answer
from anabranch_oracle.service import Refusal, RewardService

MAX_MESSAGE_BYTES = 64 << 20
THREADS = 64  # Of the server; those that evaluate are the engine's.
MAX_EVALUATES = 40  # Under way at a time; the other threads stay free for health and reflection.
FLUSH_SECONDS = 0.5
MAX_STREAMS = 16  # Each Watch or reflection stream holds a thread as long as it lives.
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
        self._evaluates = 0
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
        """NOT_SERVING, no new evaluations; those that run have `grace_seconds`."""
        with self._changed:
            self._stopped = True
            self._status = contract.NOT_SERVING
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._evaluates == 0, grace_seconds)
        # The last answers are on their way. Connections without calls would hold gRPC's own wait up for longer.
        self._server.stop(FLUSH_SECONDS).wait()

    def _set_status(self, status: int) -> None:
        with self._changed:
            self._status = status
            self._changed.notify_all()

    def _handlers(self) -> List[Any]:
        def to_bytes(message: Any) -> bytes:
            return message.SerializeToString()

        def unary(behaviour: Callable[..., Any], request: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(behaviour, request.FromString, to_bytes)

        health = contract.HealthCheckRequest
        question = contract.ReflectionRequest
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
                    "Watch": grpc.unary_stream_rpc_method_handler(self._watch_health, health.FromString, to_bytes),
                },
            ),
            grpc.method_handlers_generic_handler(
                REFLECTION,
                {
                    "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
                        self._reflect, question.FromString, to_bytes
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
        self._admit(context)
        try:
            return self._service.evaluate(request, context.is_active)
        except Refusal as refusal:
            LOG.warning("refused Evaluate from %s: %s", context.peer(), refusal)
            return abort(context, refusal)
        finally:
            with self._changed:
                self._evaluates -= 1
                self._changed.notify_all()

    def _admit(self, context: Any) -> None:
        with self._changed:
            if self._stopped:
                refusal = Refusal("UNAVAILABLE", "DRAINING", "the oracle is ending")
            elif self._evaluates >= MAX_EVALUATES:
                refusal = Refusal("RESOURCE_EXHAUSTED", "OVERLOADED", f"{MAX_EVALUATES} requests are under way")
            else:
                self._evaluates += 1
                return
        abort(context, refusal)

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
    token = read_token(flags.token_file) if flags.token_file else ""
    credentials = credentials_of(flags)
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
