#!/usr/bin/env python3
"""The share of G and C in a DNA sequence: the smallest oracle there is."""

from anabranch_oracle import Invalid, Objective, oracle, serve


@oracle(
    name="gc_content",
    objectives=[Objective("gc", maximize=True, bounds=(0, 1))],
    formats=["sequence"],
)
def score(sequences):
    return [gc(sequence) for sequence in sequences]


def gc(sequence):
    if not sequence or set(sequence) - set("ACGT"):
        return Invalid("give at least one letter of A, C, G and T")
    return (sequence.count("G") + sequence.count("C")) / len(sequence)


if __name__ == "__main__":
    serve(score)
