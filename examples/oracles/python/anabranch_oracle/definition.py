"""The decorator by which a function becomes an oracle."""

import hashlib
import inspect
import pathlib
from typing import Any, Callable, List, Optional, Sequence, Union

from anabranch_oracle.answers import Objective, OracleError

FINGERPRINT_DIGITS = 16


class Oracle:
    """A scoring function and what is said of it. Calling it calls the function."""

    def __init__(self, function: Callable[[List[Any]], Any], **settings: Any) -> None:
        self.function = function
        for name, value in settings.items():
            setattr(self, name, value)
        self.names: List[str] = [objective.name for objective in self.objectives]
        self.fingerprint = _fingerprint(self)
        _check(self)

    def __call__(self, objects: List[Any]) -> Any:
        return self.function(objects)


def oracle(
    *,
    objectives: Sequence[Union[Objective, str]],
    formats: Sequence[str],
    name: Optional[str] = None,
    version: str = "1",
    deterministic: bool = True,
    max_batch: int = 4096,
    preferred_batch: int = 256,
    tickets: bool = False,
    poll: Optional[Callable[[List[str]], Any]] = None,
    binary: bool = False,
    cost: float = 0.0,
    cost_unit: str = "",
    typical_seconds: float = 0.0,
    files: Sequence[str] = (),
) -> Callable[[Callable[[List[Any]], Any]], Oracle]:
    """Makes an oracle of a function that takes a list of objects and returns a list of answers (see answers.py).

    objectives       what is computed: Objective(...), or just a name
    formats          formats of objects that are read, preferred first, such as "smiles" or "sequence"
    name, version    for people, and part of the fingerprint; the default name is the function's
    deterministic    False if the same object may get different values: caches then keep mean and count
    max_batch        more objects in one request are refused
    preferred_batch  the function is never given more objects at once
    tickets          True if it answers Pending: it is asked again with the object, or poll is with the ticket
    poll             takes a list of tickets and answers as the function does; KeyError: a ticket isn't known,
                     and the function is asked again with the object
    binary           True gives objects as bytes; else they are str, and one that isn't UTF-8 is invalid
    cost, cost_unit  what an evaluation costs, where its answer (Scores) doesn't say
    typical_seconds  how long a batch usually takes
    files            files beside the code that decide about values, such as a model's weights

    The fingerprint is made from name, version, the function's source file and `files`; when it changes, caches
    forget and runs stop (unless they allow it).
    """

    def decorate(function: Callable[[List[Any]], Any]) -> Oracle:
        return Oracle(
            function,
            objectives=[Objective(item) if isinstance(item, str) else item for item in objectives],
            formats=list(formats),
            name=name or function.__name__,
            version=version,
            deterministic=deterministic,
            max_batch=max_batch,
            preferred_batch=preferred_batch,
            tickets=tickets or poll is not None,
            poll=poll,
            binary=binary,
            cost=cost,
            cost_unit=cost_unit,
            typical_seconds=typical_seconds,
            files=list(files),
        )

    return decorate


def _fingerprint(made: Oracle) -> str:
    source = pathlib.Path(inspect.getsourcefile(made.function) or "")
    digest = hashlib.sha256()
    for path in [source, *(source.parent / file for file in made.files)]:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise OracleError(f"files: can't read {path}, which is part of the fingerprint: {error}") from error
        # Each file's own hash, so that bytes that move from one to the next make a difference.
        digest.update(hashlib.sha256(content).digest())
    return f"{made.name}/{made.version}+{digest.hexdigest()[:FINGERPRINT_DIGITS]}"


def _check(made: Oracle) -> None:
    if not made.names or not all(made.names):
        raise OracleError("objectives: give at least one, each with a name")
    twice = sorted({name for name in made.names if made.names.count(name) > 1})
    if twice:
        raise OracleError(f"objectives: {', '.join(twice)} stands there twice; names are unique")
    for objective in made.objectives:
        low, high = objective.bounds
        if low is not None and high is not None and not low < high:
            raise OracleError(f"objectives: {objective.name} has bounds {objective.bounds}; the lower comes first")
    if not made.formats:
        raise OracleError('formats: give at least one, such as "smiles"')
    for key in ("max_batch", "preferred_batch"):
        if getattr(made, key) < 1:
            raise OracleError(f"{key}: is {getattr(made, key)}; give at least 1")
    if made.cost < 0:
        raise OracleError(f"cost: is {made.cost}; give at least 0")
