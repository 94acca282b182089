"""anabranch.v1.RewardService on top of a scoring function: requests in, columns out. Knows nothing of sockets."""

import hashlib
import math
import threading
from typing import Any, Callable, Dict, List, Sequence

from anabranch_oracle import contract
from anabranch_oracle.answers import Row
from anabranch_oracle.definition import Oracle
from anabranch_oracle.engine import Engine
from anabranch_oracle.repeats import Repeats

MAX_REPLICATES = 1024
NOT_FINAL = (contract.STATUS["RETRYABLE"], contract.STATUS["PENDING"])


class Refusal(Exception):
    """A fault of a whole request: the name of a gRPC code, a stable reason for machines, a message for people."""

    def __init__(self, code: str, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class RewardService:
    """Describe and Evaluate. Thread-safe."""

    def __init__(self, made: Oracle, engine: Engine) -> None:
        self._oracle = made
        self._engine = engine
        self._repeats = Repeats()
        self._lock = threading.Lock()
        self._evaluations = 0
        self._cost = 0.0

    def describe(self, _request: Any = None) -> Any:
        made = self._oracle
        out = contract.DescribeResponse(
            name=made.name,
            version=made.version,
            fingerprint=made.fingerprint,
            accepted_formats=made.formats,
            max_batch_objects=made.max_batch,
            preferred_batch_objects=min(made.preferred_batch, made.max_batch),
            deterministic=made.deterministic,
            issues_tickets=made.tickets,
            typical_latency_millis=round(1000 * made.typical_seconds),
        )
        for objective in made.objectives:
            described = out.objectives.add(
                name=objective.name,
                direction=contract.MAXIMIZE if objective.maximize else contract.MINIMIZE,
                unit=objective.unit,
                description=objective.description,
            )
            low, high = objective.bounds
            if low is not None:
                described.lower_bound = low
            if high is not None:
                described.upper_bound = high
        self._tell_budget(out)
        return out

    def evaluate(self, request: Any, alive: Callable[[], bool] = lambda: True) -> Any:
        """Raises Refusal. `alive` says whether anybody still waits for the answer."""
        columns = self._check(request)
        key = (request.request_id, hashlib.sha256(request.SerializeToString(deterministic=True)).digest())
        return self._repeats.answer(
            key,
            lambda: self._answer(request, columns, alive),
            lambda response: not any(status in NOT_FINAL for status in response.statuses),
        )

    def _check(self, request: Any) -> List[int]:
        """The described column of each objective asked for."""
        made = self._oracle
        if not request.request_id:
            raise Refusal("INVALID_ARGUMENT", "MISSING", "request_id: is empty; give each batch one of its own")
        if request.expected_fingerprint not in ("", made.fingerprint):
            raise Refusal(
                "FAILED_PRECONDITION",
                "FINGERPRINT_CHANGED",
                f"expected_fingerprint: is {request.expected_fingerprint!r}, but this oracle is {made.fingerprint!r}",
            )
        if request.format not in made.formats:
            raise Refusal(
                "INVALID_ARGUMENT",
                "OUT_OF_RANGE",
                f"format: is {request.format!r}; accepted are: {', '.join(made.formats)}",
            )
        if len(request.objects) > made.max_batch:
            raise Refusal(
                "INVALID_ARGUMENT",
                "TOO_LARGE",
                f"objects: has {len(request.objects)} entries; at most {made.max_batch} are accepted in one request",
            )
        if len(request.contexts) > 0 or any(one.context for one in request.objects):
            raise Refusal(
                "INVALID_ARGUMENT",
                "OUT_OF_RANGE",
                "contexts: are not read by this oracle, whose values depend on the object alone; send none",
            )
        if request.replicates > MAX_REPLICATES:
            raise Refusal(
                "INVALID_ARGUMENT", "OUT_OF_RANGE", f"replicates: is {request.replicates}; at most {MAX_REPLICATES}"
            )
        return [self._column(j, name) for j, name in enumerate(request.objectives)] or list(range(len(made.names)))

    def _column(self, j: int, name: str) -> int:
        if name not in self._oracle.names:
            raise Refusal(
                "INVALID_ARGUMENT",
                "OUT_OF_RANGE",
                f"objectives[{j}]: there is no {name!r}; there are: {', '.join(self._oracle.names)}",
            )
        return self._oracle.names.index(name)

    def _answer(self, request: Any, columns: Sequence[int], alive: Callable[[], bool]) -> Any:
        rows: Dict[int, Row] = {}
        self._poll(request, rows, alive)
        fresh: Dict[int, Any] = {}
        for i, one in enumerate(request.objects):
            if i in rows:
                continue
            if one.WhichOneof("content") == "inline":
                try:
                    fresh[i] = one.inline if self._oracle.binary else one.inline.decode("utf-8")
                except UnicodeDecodeError:
                    rows[i] = Row(status="INVALID", reason="is not UTF-8")
            elif one.WhichOneof("content") == "reference":
                rows[i] = Row(status="INVALID", reason="references to objects are not fetched here; send the object")
            else:
                rows[i] = Row(status="INVALID", reason="has no content, and no ticket that this oracle knows")
        repeats = 1 if self._oracle.deterministic else max(1, request.replicates)
        runs = [self._engine.evaluate("score", list(fresh.values()), alive) for _ in range(repeats)]
        for i, *replicates in zip(fresh, *runs):
            rows[i] = replicates[0] if repeats == 1 else mean_of(replicates)
            if rows[i].status == "PENDING" and not rows[i].ticket:
                rows[i].ticket = ticket_of(request.format, request.objects[i].inline)
        self._count([rows[i] for i in fresh])
        return self._response(request, columns, [rows[i] for i in range(len(request.objects))])

    def _poll(self, request: Any, rows: Dict[int, Row], alive: Callable[[], bool]) -> None:
        """Fills in the rows of tickets that `poll` knows; the others are evaluated by their content."""
        asked = [i for i, one in enumerate(request.objects) if one.ticket] if self._oracle.poll else []
        polled = self._engine.evaluate("poll", [request.objects[i].ticket for i in asked], alive)
        for i, row in zip(asked, polled):
            if row.status != "UNKNOWN_TICKET":
                rows[i] = row
                row.ticket = (row.ticket or request.objects[i].ticket) if row.status == "PENDING" else ""

    def _response(self, request: Any, columns: Sequence[int], rows: List[Row]) -> Any:
        out = contract.EvaluateResponse(
            request_id=request.request_id,
            fingerprint=self._oracle.fingerprint,
            objectives=[self._oracle.names[j] for j in columns],
            statuses=[contract.STATUS[row.status] for row in rows],
        )
        for row in rows:
            values = [row.values[j] if row.status == "OK" else None for j in columns]
            out.raw_values.extend(0.0 if value is None else value for value in values)
            out.raw_value_valid.extend(value is not None for value in values)
        if any(row.errors is not None for row in rows):
            for row in rows:
                out.raw_standard_errors.extend(row.errors[j] if row.errors is not None else 0.0 for j in columns)
        if request.replicates > 1:
            out.evaluation_counts.extend(row.count for row in rows)
        if any(row.ticket for row in rows):
            out.tickets.extend(row.ticket for row in rows)
        if any(row.retry_after_millis for row in rows):
            out.retry_after_millis.extend(row.retry_after_millis for row in rows)
        if any(row.reason for row in rows):
            out.reasons.extend(row.reason for row in rows)
        if any(row.cost for row in rows):
            out.costs.extend(row.cost for row in rows)
        self._tell_budget(out)
        return out

    def _count(self, rows: List[Row]) -> None:
        done = [row for row in rows if row.status not in ("RETRYABLE", "PENDING")]
        with self._lock:
            self._evaluations += sum(row.count for row in done)
            self._cost += sum(row.cost for row in done)

    def _tell_budget(self, out: Any) -> None:
        """The unit of costs stands in the budget, also where there is no limit."""
        if not self._oracle.cost_unit:
            return
        with self._lock:
            out.budget.cost_unit = self._oracle.cost_unit
            out.budget.evaluations_used = self._evaluations
            out.budget.cost_used = self._cost


def mean_of(replicates: Sequence[Row]) -> Row:
    """Mean and standard error of independent evaluations of one object; the first that isn't OK stands for all."""
    for row in replicates:
        if row.status != "OK":
            return row
    n = len(replicates)
    out = Row(cost=sum(row.cost for row in replicates), count=n, errors=[])
    for column in zip(*(row.values for row in replicates)):
        if any(value is None for value in column):
            out.values.append(None)
            out.errors.append(0.0)
            continue
        mean = math.fsum(column) / n
        out.values.append(mean)
        out.errors.append(math.sqrt(math.fsum((value - mean) ** 2 for value in column) / (n - 1) / n))
    return out


def ticket_of(object_format: str, content: bytes) -> str:
    """The same for the same object, so that a retry of the request that began it leads to the same ticket."""
    return hashlib.sha256(object_format.encode() + b"\0" + content).hexdigest()[:32]
