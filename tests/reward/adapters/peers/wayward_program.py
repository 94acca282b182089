"""A JSON Lines oracle whose objects say how it is to misbehave. Values: "length" of the object, "pid"."""

import json
import os
import pathlib
import sys
import time


def meet(directory, name):
    """Waits until another program has come too."""
    place = pathlib.Path(directory)
    (place / name).touch()
    while len(list(place.iterdir())) < 2:
        time.sleep(0.005)


VALUES = {"none": None, "nan": float("nan"), "infinite": float("-inf"), "text": "much"}

for line in sys.stdin:
    question = json.loads(line)
    answer = {"id": question["id"]}
    lengths = []
    for item in question["objects"]:
        word, _, rest = item.partition(":")
        lengths.append(VALUES.get(word, len(item)))
        if word == "crash":
            print("about to fall", file=sys.stderr, flush=True)
            os._exit(7)
        elif word == "hang":
            time.sleep(3600)
        elif word == "garbage":
            print("here I am")
        elif word == "deep":
            print("[" * 100000)
        elif word == "wrong-id":
            answer["id"] += 1
        elif word == "flood":
            print("x" * (65 << 20))
        elif word == "short":
            lengths.pop()
        elif word == "error":
            answer["error"] = "out of memory, perhaps"
        elif word == "meet":
            meet(*rest.split(":"))
        elif word == "say":
            print(rest, file=sys.stderr, flush=True)
        elif word == "statuses":
            answer["status"] = ["ok", "Retryable", None]
            answer["reasons"] = [None, "too busy", "never said"]
    answer["values"] = {"length": lengths, "pid": [os.getpid()] * len(question["objects"])}
    print(json.dumps(answer), flush=True)
