"""What the drivers share: the task, the clock, and the exact total variation on a grid."""

import argparse
import json
import time

import numpy as np

STOP_LOGIT_OFFSET = -2.0


def parse_arguments(description):
    """The same arguments for every driver."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("task", choices=["rollout", "train", "time-to-tv"])
    parser.add_argument("--dimensions", type=int, default=4)
    parser.add_argument("--side", type=int, default=8)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0, help="measured, after warming up")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tv", type=float, default=0.05, help="where time-to-tv ends")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds until it gives up")
    return parser.parse_args()


def report(library, version, task, value, unit, **more):
    """One JSON line on standard output, the last."""
    print(json.dumps({"library": library, "version": version, "task": task, "value": value,
                      "unit": unit, **more}), flush=True)


def measure(step, seconds, warm_up):
    """Units per second of `step`, which returns how many it did, after `warm_up` calls."""
    for _ in range(warm_up):
        step()
    done, start = 0.0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        done += step()
    return done / (time.perf_counter() - start)


def fastest(candidates, seconds=2.0):
    """The name among `candidates`, {name: step}, of the step that does most here and now."""
    return max(candidates, key=lambda name: measure(candidates[name], seconds, warm_up=3))


def all_cells(dimensions, side):
    """All cells [side^dimensions, dimensions], parents before children."""
    axes = [np.arange(side)] * dimensions
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, dimensions)


def target(dimensions, side, r0=0.1, r1=0.5, r2=2.0):
    """The true distribution over all cells, in integers up to the last line."""
    m = side - 1
    u = np.abs(2 * all_cells(dimensions, side) - m)
    plateau = np.all(2 * u > m, axis=1)
    mode = np.all((5 * u > 3 * m) & (5 * u < 4 * m), axis=1)
    reward = r0 + r1 * plateau + r2 * mode
    return reward / reward.sum()


def total_variation(forward, dimensions, side):
    """Exact, by pushing probability through the grid; `forward` is P_F [cells, dimensions + 1]."""
    cells = all_cells(dimensions, side)
    strides = side ** np.arange(dimensions - 1, -1, -1)
    visits = np.zeros(len(cells))
    visits[0] = 1.0
    for layer in range(dimensions * (side - 1) + 1):
        index = np.flatnonzero(cells.sum(axis=1) == layer)
        for d in range(dimensions):
            inside = index[cells[index, d] < side - 1]
            np.add.at(visits, inside + strides[d], visits[inside] * forward[inside, d])
    learned = visits * forward[:, dimensions]
    assert abs(learned.sum() - 1) < 1e-4, learned.sum()
    return 0.5 * np.abs(learned - target(dimensions, side)).sum()


def time_to(train_some, current_tv, tv, limit):
    """Seconds of training, evaluations left out, until the total variation is at most `tv`."""
    iterations, spent = train_some(), 0.0  # The first call compiles, and is not timed.
    while spent < limit:
        start = time.perf_counter()
        iterations += train_some()
        spent += time.perf_counter() - start
        found = current_tv()
        if found <= tv:
            return spent, iterations, found
    return None, iterations, found
