"""Checks which folder includes which, and how long files are.

The arrows point one way: cli -> {actor, learner, replay, reward} -> gflownet, runtime -> proto. The four
roles never include each other, gflownet/ knows nothing outside itself, and where there are no tensors
there is no LibTorch. Prints every line that breaks this, and exits 1 if there is one.
"""

import pathlib
import re
import sys

ROLES = ("actor", "learner", "replay", "reward")
ANYTHING = ("cli", "benchmarks", "tests")
MAY_INCLUDE = {
    "gflownet": {"gflownet"},
    "runtime": {"runtime", "proto", "gflownet"},
    **{role: {role, "gflownet", "runtime", "proto"} for role in ROLES},
}
FOLDERS = {*MAY_INCLUDE, *ANYTHING, "proto"}
NO_LIBTORCH = ("gflownet/environment", "gflownet/reward_shaping", "gflownet/trajectory", "replay", "reward")
LIBTORCH = re.compile(r"^(ATen|c10|torch|caffe2)/")
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]')
MAX_LINES = {".h": 150, ".cc": 400}


def folder_of(include):
    """Returns the folder of this project that an include path leads to, or None."""
    if include.startswith("anabranch/v1/"):
        return "proto"
    first = include.split("/")[0]
    return first if "/" in include and first in FOLDERS else None


def faults_of(path, text):
    """Returns (line number, what is wrong) pairs; path is relative to the root."""
    faults = []
    top = path.split("/")[0]
    lines = text.splitlines()
    limit = MAX_LINES[pathlib.PurePosixPath(path).suffix]
    # Tests may be long: a table of goldens is one thing.
    if top != "tests" and len(lines) > limit:
        faults.append((limit + 1, f"{len(lines)} lines where {limit} are allowed: it is two things"))
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        include = match.group(1)
        folder = folder_of(include)
        if folder and top in MAY_INCLUDE and folder not in MAY_INCLUDE[top]:
            faults.append((number, f"{top}/ must not include {folder}/ ({include})"))
        if LIBTORCH.match(include) and path.startswith(tuple(f"{f}/" for f in NO_LIBTORCH)):
            faults.append((number, f"LibTorch where there are no tensors ({include})"))
    return faults


def main(root):
    bad = False
    for folder in sorted(FOLDERS):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in MAX_LINES:
                name = path.relative_to(root).as_posix()
                for number, fault in faults_of(name, path.read_text()):
                    print(f"{name}:{number}: {fault}")
                    bad = True
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(__file__).resolve().parents[2]))
