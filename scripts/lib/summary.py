"""Adds up what scripts/test did, and judges its skips.

Reads checks.tsv (name, result, reason) and the JUnit files that CTest wrote, all in one folder, and the
list of skips that are allowed. Prints what ran; the last line is `N passed, N failed, N skipped`.
Exits 1 if anything failed or was skipped without being on the list.
"""

import argparse
import dataclasses
import fnmatch
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


class BadInput(Exception):
    """A file that this script reads is not as it must be."""


@dataclasses.dataclass
class Result:
    suite: str
    name: str
    outcome: str
    reason: str = ""


def read_allowed(path):
    """Returns (pattern, reason) pairs. Each line is `PATTERN | reason`, # begins a comment."""
    allowed = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        pattern, _, reason = (part.strip() for part in line.partition("|"))
        if not pattern or not reason:
            raise BadInput(f"{path}:{number}: '{line}' is not of the form 'PATTERN | reason'")
        allowed.append((pattern, reason))
    return allowed


def read_checks(path):
    results = []
    for line in path.read_text().splitlines():
        name, outcome, reason = line.split("\t", 2)
        results.append(Result("checks", name, outcome, reason))
    return results


def skip_message(output):
    """Returns what GTEST_SKIP() said, from a test's output."""
    match = re.search(r": Skipped\n(.*?)\n*\[  SKIPPED \]", output or "", re.DOTALL)
    return " ".join(match.group(1).split()) if match else ""


def read_junit(path):
    """Returns the results of one CTest run. A test that could not be started is a failure there."""
    results = []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name, status = case.get("name"), case.get("status")
        skipped = case.find("skipped")
        message = skipped.get("message", "") if skipped is not None else ""
        if status == "run" and case.find("failure") is None:
            results.append(Result(path.stem, name, PASSED))
        elif status == "disabled":
            results.append(Result(path.stem, name, SKIPPED, "the test is disabled"))
        elif message.startswith("SKIP_"):
            reason = skip_message(case.findtext("system-out")) or "gave no reason"
            results.append(Result(path.stem, name, SKIPPED, reason))
        else:
            failure = case.find("failure")
            reason = failure.get("message", "") if failure is not None else message
            results.append(Result(path.stem, name, FAILED, reason or "see the log"))
    return results


def judge(results, allowed):
    """Turns every skip that is not on the list into a failure."""
    for result in results:
        if result.outcome != SKIPPED:
            continue
        if not any(fnmatch.fnmatchcase(result.name, pattern) for pattern, _ in allowed):
            result.outcome = FAILED
            result.reason = f"skipped ({result.reason}), and not in the list of allowed skips"


def summarise(results):
    """Returns the lines to print."""
    lines = ["What ran:"]
    for suite in sorted({result.suite for result in results}):
        outcomes = [result.outcome for result in results if result.suite == suite]
        counts = ", ".join(f"{outcomes.count(kind)} {kind}" for kind in (PASSED, FAILED, SKIPPED))
        lines.append(f"  {suite}: {counts}")
    lines.append("  checks are: " + ", ".join(r.name for r in results if r.suite == "checks"))
    for kind, title in ((SKIPPED, "Skipped, as allowed:"), (FAILED, "FAILED:")):
        chosen = [result for result in results if result.outcome == kind]
        if chosen:
            lines.append(title)
            lines += [f"  {r.suite}: {r.name}: {r.reason}" for r in chosen]
    outcomes = [result.outcome for result in results]
    lines.append(", ".join(f"{outcomes.count(kind)} {kind}" for kind in (PASSED, FAILED, SKIPPED)))
    return lines


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--logs", type=pathlib.Path, required=True)
    parser.add_argument("--allowed", type=pathlib.Path, required=True)
    arguments = parser.parse_args(argv)
    try:
        results = read_checks(arguments.logs / "checks.tsv")
        for path in sorted(arguments.logs.glob("*.xml")):
            results += read_junit(path)
        judge(results, read_allowed(arguments.allowed))
    except (BadInput, ElementTree.ParseError, OSError) as error:
        print(f"summary: {error}", file=sys.stderr)
        return 1
    print("\n".join(summarise(results)))
    return 1 if any(result.outcome == FAILED for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
