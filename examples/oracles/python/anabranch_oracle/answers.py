"""What a scoring function may answer for an object, and how that becomes a row of the response.

A number (where there is one objective), a dict {objective: number}, None (not an object that can be scored),
or one of the classes below. A value that is None, or missing from the dict, is not known; the others count.
"""

import dataclasses
import math
import numbers
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

REASON_LENGTH = 300  # Characters of a reason that travel.


class OracleError(Exception):
    """The scoring function, or the way it is declared, breaks the rules. The message says which."""


@dataclasses.dataclass(frozen=True)
class Objective:
    """A quantity that is computed for every object."""

    name: str
    maximize: bool = True
    bounds: Tuple[Optional[float], Optional[float]] = (None, None)  # None: unbounded, or unknown.
    unit: str = ""
    description: str = ""


@dataclasses.dataclass(frozen=True)
class Scores:
    """Values with what else is known of them."""

    values: Any  # A number or a dict {objective: number}.
    cost: Optional[float] = None  # In the oracle's cost_unit.
    standard_errors: Optional[Mapping[str, float]] = None  # By objective, in the unit of the value.


@dataclasses.dataclass(frozen=True)
class Invalid:
    """Not an object that can be scored, now or ever. The same as None, with a reason."""

    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Infeasible:
    """Well formed, but outside a hard constraint."""

    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Failed:
    """Tried, and failed for good: asking again would give the same."""

    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Retry:
    """Failed for now. The object is asked again, no sooner than after `after` seconds."""

    reason: str = ""
    after: float = 0.0


@dataclasses.dataclass(frozen=True)
class Pending:
    """The answer comes later: the object is asked again after `retry_after` seconds."""

    retry_after: float = 60.0
    ticket: str = ""  # Empty: one is made from the object.
    reason: str = ""


@dataclasses.dataclass
class Row:
    """The answer for one object, as it goes into the response's columns."""

    status: str = "OK"
    values: List[Optional[float]] = dataclasses.field(default_factory=list)
    errors: Optional[List[float]] = None
    reason: str = ""
    retry_after_millis: int = 0
    ticket: str = ""
    cost: float = 0.0
    count: int = 1


_STATUS_OF = {Invalid: "INVALID", Infeasible: "INFEASIBLE", Failed: "FAILED", Retry: "RETRYABLE", Pending: "PENDING"}


def one_line(text: object) -> str:
    """A reason that fits into a log."""
    line = " ".join(str(text).split())
    return line if len(line) <= REASON_LENGTH else line[: REASON_LENGTH - 1] + "…"


def failed(reason: object) -> Row:
    return Row(status="FAILED", reason=one_line(reason))


def _number(name: str, value: Any) -> Optional[float]:
    if value is None:
        return None
    # NumPy's scalars are not numbers.Number in all versions, but they all convert.
    if isinstance(value, (str, bytes)) or not (isinstance(value, numbers.Number) or hasattr(value, "__float__")):
        raise OracleError(f"gave {value!r} for {name}, which isn't a number")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise OracleError(f"gave {value!r} for {name}, which isn't a number: {error}") from error


def _values(names: Sequence[str], given: Any) -> List[Optional[float]]:
    if not isinstance(given, Mapping):
        if len(names) != 1:
            raise OracleError(f"gave {given!r} for an object; give a dict with {', '.join(names)}")
        return [_number(names[0], given)]
    unknown = sorted(str(name) for name in given if name not in names)
    if unknown:
        raise OracleError(f"gave {', '.join(unknown)}, which isn't declared; declared are {', '.join(names)}")
    return [_number(name, given.get(name)) for name in names]


def _scored(names: Sequence[str], given: Scores, cost: float) -> Row:
    row = Row(values=_values(names, given.values), cost=cost if given.cost is None else float(given.cost))
    for name, value in zip(names, row.values):
        if value is not None and not math.isfinite(value):
            return failed(f"{name} is {value}, which isn't a finite number")
    if all(value is None for value in row.values):
        return Row(status="INVALID", reason="no value is known", cost=row.cost)
    if given.standard_errors is not None:
        row.errors = [float(given.standard_errors.get(name, 0.0)) for name in names]
        if not all(math.isfinite(error) and error >= 0 for error in row.errors):
            return failed(f"standard_errors are {row.errors}; they must be finite and at least 0")
    return row


def row_of(names: Sequence[str], answer: Any, cost: float = 0.0, tickets: bool = False) -> Row:
    """The row of one answer; `cost` is what an object costs where the answer doesn't say. A wrong answer fails
    its object, with what is wrong as the reason."""
    try:
        if answer is None:
            return Row(status="INVALID", cost=cost)
        status = _STATUS_OF.get(type(answer))
        if status is None:
            return _scored(names, answer if isinstance(answer, Scores) else Scores(answer), cost)
        row = Row(status=status, reason=one_line(answer.reason))
        if status == "PENDING":
            if not tickets:
                raise OracleError("answered Pending without declaring it; give @oracle(tickets=True)")
            row.ticket = answer.ticket
            row.retry_after_millis = max(1, round(1000 * answer.retry_after))
        elif status == "RETRYABLE":
            row.retry_after_millis = max(0, round(1000 * answer.after))
        else:
            row.cost = cost
        return row
    except OracleError as error:
        return failed(f"the scoring function {error}")


def answers_of(returned: Any, count: int) -> List[Any]:
    """One answer for each of `count` objects, from what a scoring function returned: a list (any sequence, also a
    NumPy array), or a dict of columns {objective: [number, ...]}."""
    if isinstance(returned, Mapping):
        columns: Dict[str, List[Any]] = {name: list(column) for name, column in returned.items()}
        for name, column in columns.items():
            if len(column) != count:
                raise OracleError(f"gave {len(column)} values of {name} for {count} objects")
        return [{name: column[i] for name, column in columns.items()} for i in range(count)]
    if returned is None or isinstance(returned, (str, bytes)) or not hasattr(returned, "__iter__"):
        raise OracleError(f"returned {returned!r}; give a list with one answer for each object, or a dict of columns")
    answers = list(returned)
    if len(answers) != count:
        raise OracleError(f"gave {len(answers)} answers for {count} objects")
    return answers
