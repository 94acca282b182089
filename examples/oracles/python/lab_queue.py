#!/usr/bin/env python3
"""An oracle whose answers people type, minutes or days after they were asked for.

    lab_queue.py                       serves; open requests stay in lab_queue.sqlite
    lab_queue.py open                  lists the sequences that wait for a measurement
    lab_queue.py answer ACGT 0.7       answers one
    lab_queue.py answer ACGT invalid   says that it can't be measured
"""

import contextlib
import math
import os
import sqlite3
import sys

from anabranch_oracle import Invalid, Objective, Pending, oracle, serve

DATABASE = os.environ.get("LAB_QUEUE", "lab_queue.sqlite")
LONGEST = 1000
ASK_AGAIN_SECONDS = float(os.environ.get("LAB_QUEUE_ASK_AGAIN", "60"))


@contextlib.contextmanager
def database():
    with contextlib.closing(sqlite3.connect(DATABASE, timeout=10)) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS queue (object TEXT PRIMARY KEY, answer TEXT)")
        yield connection


@oracle(name="lab", objectives=[Objective("affinity")], formats=["sequence"], tickets=True)
def score(objects):
    with database() as connection:
        return [look_up(connection, one) for one in objects]


def look_up(connection, one):
    if not one.isalpha() or len(one) > LONGEST:
        return Invalid(f"give 1 to {LONGEST} letters")  # Nobody shall be asked to measure that.
    # The object itself is the key of the queue, so that the ticket needs no looking after.
    connection.execute("INSERT OR IGNORE INTO queue VALUES (?, NULL)", (one,))
    (answer,) = connection.execute("SELECT answer FROM queue WHERE object = ?", (one,)).fetchone()
    if answer is None:
        return Pending(retry_after=ASK_AGAIN_SECONDS)
    return Invalid("can't be measured") if answer == "invalid" else float(answer)


def main(arguments):
    if arguments[:1] == ["open"]:
        with database() as connection:
            for (one,) in connection.execute("SELECT object FROM queue WHERE answer IS NULL ORDER BY rowid"):
                print(one)
    elif arguments[:1] == ["answer"] and len(arguments) == 3:
        one, answer = arguments[1:]
        if answer != "invalid" and not math.isfinite(float(answer)):
            sys.exit(f"{answer}: give a finite number, or 'invalid'")
        with database() as connection:
            if connection.execute("UPDATE queue SET answer = ? WHERE object = ?", (answer, one)).rowcount == 0:
                sys.exit(f"{one}: nobody has asked for it; 'lab_queue.py open' lists what waits")
    else:
        serve(score, arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
