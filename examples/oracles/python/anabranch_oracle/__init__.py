"""Makes an oracle for Anabranch out of a Python function. Needs grpcio and protobuf, nothing else.

    from anabranch_oracle import Objective, oracle, serve

    @oracle(objectives=[Objective("gc", bounds=(0, 1))], formats=["sequence"])
    def score(objects):
        return [sum(letter in "GC" for letter in one) / len(one) if one else None for one in objects]

    serve(score)
"""

from anabranch_oracle.answers import (
    Failed,
    Infeasible,
    Invalid,
    Objective,
    OracleError,
    Pending,
    Retry,
    Scores,
)
from anabranch_oracle.definition import Oracle, oracle
from anabranch_oracle.server import serve

__all__ = [
    "Failed",
    "Infeasible",
    "Invalid",
    "Objective",
    "Oracle",
    "OracleError",
    "Pending",
    "Retry",
    "Scores",
    "oracle",
    "serve",
]
