"""PyKEEN's scores of random vectors; run as a script it writes `pykeen_scores.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

CASES = (("transe", 1), ("transe", 2), ("distmult", 2), ("complex", 2), ("rotate", 2))
ROWS, DIMENSION = 6, 4


def problem() -> tuple[Any, Any, Any]:
    """Heads, relations, tails: (6, 4) complex128 each, of numbers that text gives back exactly."""
    rng = np.random.default_rng(5)
    draws = rng.integers(-8, 9, (3, 2, ROWS, DIMENSION)) / 8
    heads, relations, tails = draws[:, 0] + 1j * draws[:, 1]
    return heads, relations, tails


def angles() -> Any:
    """(6, 4) angles of RotatE's relations."""
    relations = problem()[1]
    return np.angle(relations + 0.25)


def pykeen_scores(name: str, norm: int) -> list[float]:
    import torch
    from pykeen.nn import modules

    heads, relations, tails = problem()
    kinds: dict[str, Any] = {
        "transe": lambda: modules.TransEInteraction(p=norm),
        "distmult": modules.DistMultInteraction,
        "complex": modules.ComplExInteraction,
        "rotate": modules.RotatEInteraction,
    }
    if name in ("transe", "distmult"):
        heads, relations, tails = (x.real for x in (heads, relations, tails))
    if name == "rotate":
        relations = np.exp(1j * angles())
    given = [torch.from_numpy(np.ascontiguousarray(x)) for x in (heads, relations, tails)]
    return [float(x) for x in kinds[name]()(*given)]


if __name__ == "__main__":
    from pykeen.version import get_version

    scores = {f"{name} {norm}": pykeen_scores(name, norm) for name, norm in CASES}
    record = {"made_by": f"PyKEEN {get_version()}", "scores": scores}
    Path(__file__).with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
