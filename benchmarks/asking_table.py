"""The rows of `benchmarks/asking.py` over their seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from accord.evaluate.report_runs import deviation, mean
from accord.evaluate.tables import table

SAME = ("set", "hops", "arm")
FIGURES = ("all hits@1", "all f1", "exact hits@1", "exact f1", "seconds a question")


def over_seeds(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table with one line for each set, number of hops and arm: mean ± sample deviation."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in SAME)].append(row)
    lines = []
    for key, part in groups.items():
        values = [[float(row[name]) for row in part] for name in FIGURES]
        said = [f"{mean(v):.4f} ± {deviation(v):.4f}" for v in values]
        lines.append([*key, len(part), sum(row["n"] for row in part), *said])
    return table([*SAME, "seeds", "n", *FIGURES], lines)
