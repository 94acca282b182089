"""Calls the scoring function: in batches of the preferred size, in threads or worker processes, and object by
object where a batch fails, so that one bad object doesn't spoil its neighbours."""

import concurrent.futures
import importlib
import logging
import multiprocessing
import queue
import traceback
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Callable, List, Sequence

from anabranch_oracle.answers import OracleError, Row, answers_of, failed, row_of
from anabranch_oracle.definition import Oracle

LOG = logging.getLogger("anabranch_oracle")


class UnknownTicket:
    """What `poll` leads to for a ticket that it doesn't know."""


def call(made: Oracle, kind: str, inputs: List[Any]) -> List[Any]:
    """One answer for each input; raises what the user's function raises."""
    function = made.poll if kind == "poll" else made.function
    return answers_of(function(list(inputs)), len(inputs))


def call_in_worker(module: str, attribute: str, kind: str, inputs: List[Any]) -> List[Any]:
    """What a worker process runs. The oracle is found by its name: functions that were decorated don't pickle."""
    return call(getattr(importlib.import_module(module), attribute), kind, inputs)


class Engine:
    """Runs an oracle's function in `threads` threads, or in as many processes. Thread-safe; evaluate blocks."""

    def __init__(self, made: Oracle, threads: int = 1, processes: int = 0) -> None:
        self._oracle = made
        lanes = processes or threads
        self._threads = concurrent.futures.ThreadPoolExecutor(lanes, "score")
        self._workers: "queue.SimpleQueue[concurrent.futures.ProcessPoolExecutor]" = queue.SimpleQueue()
        self._processes = processes > 0
        for _ in range(processes):
            self._workers.put(self._start_worker())

    def close(self) -> None:
        """Waits for the calls that run."""
        self._threads.shutdown(wait=True)
        while not self._workers.empty():
            self._workers.get().shutdown(wait=True)

    def evaluate(self, kind: str, inputs: Sequence[Any], alive: Callable[[], bool]) -> List[Row]:
        """A row for each input, which are objects (kind "score") or tickets ("poll"). Once `alive` says no, batches
        that have not begun are left out, and their rows are RETRYABLE."""
        size = self._oracle.preferred_batch
        batches = [inputs[i : i + size] for i in range(0, len(inputs), size)]
        futures = [self._threads.submit(self._batch, kind, list(batch), alive) for batch in batches]
        return [row for future in futures for row in future.result()]

    def _batch(self, kind: str, inputs: List[Any], alive: Callable[[], bool]) -> List[Row]:
        if not alive():
            return [Row(status="RETRYABLE", reason="the caller has gone") for _ in inputs]
        try:
            return self._rows(self._call(kind, inputs))
        except (Exception, SystemExit) as error:  # pylint: disable=broad-except
            if len(inputs) == 1:
                return [self._fault(kind, error)]
            if not isinstance(error, KeyError) or kind != "poll":
                LOG.warning("a batch of %d failed and is tried one by one: %s", len(inputs), describe(error))
        return [row for one in inputs for row in self._batch(kind, [one], alive)]

    def _fault(self, kind: str, error: BaseException) -> Row:
        if kind == "poll" and isinstance(error, KeyError):
            return Row(status="UNKNOWN_TICKET")
        LOG.warning("an object failed: %s", describe(error))
        if isinstance(error, OracleError):
            return failed(f"the scoring function {error}")
        return failed(describe(error))

    def _rows(self, answers: List[Any]) -> List[Row]:
        made = self._oracle
        return [row_of(made.names, answer, made.cost, made.tickets) for answer in answers]

    def _call(self, kind: str, inputs: List[Any]) -> List[Any]:
        if not self._processes:
            return call(self._oracle, kind, inputs)
        worker = self._workers.get()
        function = self._oracle.function
        try:
            return worker.submit(
                call_in_worker, function.__module__, function.__qualname__, kind, inputs
            ).result()
        except BrokenProcessPool:
            worker.shutdown(wait=False)
            worker = self._start_worker()
            raise OracleError("ended its worker process (a crash, or out of memory)") from None
        finally:
            self._workers.put(worker)

    @staticmethod
    def _start_worker() -> concurrent.futures.ProcessPoolExecutor:
        # A fresh interpreter: forking a process that serves gRPC is not safe.
        return concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _ignore_signals)


def _ignore_signals() -> None:
    """Ctrl-C reaches the whole group of processes, but it is the server that ends its workers."""
    import signal  # pylint: disable=import-outside-toplevel

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def describe(error: BaseException) -> str:
    """Kind and message, and where it was raised."""
    where = traceback.extract_tb(error.__traceback__)
    place = f" ({where[-1].name}, line {where[-1].lineno})" if where else ""
    return f"{type(error).__name__}: {error}{place}"
