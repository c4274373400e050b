"""How well a scan found what was planted and what was taken out.

Reads the scores that `accord refine scan --scores` wrote and the file that says what was planted
(`accord.graph.noise.write_truth`), and nothing else: neither graph nor model.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accord.errors import DataError
from accord.evaluate.protocol import Float64
from accord.evaluate.tables import table

TOP = (1, 2, 5, 10, 15, 20)
"""Shares in % of the most suspicious triples that are looked at."""
PRECISION = 0.9
BINS = 15
BATCHES = (30, 100, 300)
"""Items that a reviewer looks at: their stated precision is compared with what it was."""
WHAT = ("error", "gap", "false")
Bool = npt.NDArray[np.bool_]
Triple = tuple[str, str, str]


@dataclass(frozen=True)
class Planted:
    """What was done to a graph before it was scanned."""

    planted: frozenset[Triple]
    """Wrong triples that were put in."""
    removed: frozenset[Triple]
    """True triples that were taken out."""
    false: frozenset[Triple] = frozenset()
    """Triples known to be false that the graph does not have."""

    @classmethod
    def load(cls, path: str | Path) -> Planted:
        """Reads a CSV file: what (error, gap or false), head, relation, tail.

        Raises:
            DataError: A row is cut, or nothing was planted or removed.
        """
        found: dict[str, set[Triple]] = {what: set() for what in WHAT}
        for number, row in _table(path):
            what = row.get("what")
            if what not in found:
                told = f"column 'what' is {what!r}" if "what" in row else "no column 'what'"
                hint = f"a CSV of what ({', '.join(WHAT)}), head, relation, tail, with a header"
                raise DataError(told, path, number, hint)
            found[what].add(_triple(row, path, number))
        if not (found["error"] or found["gap"]):
            raise DataError("nothing was planted or removed", path, hint="give the planted truth")
        return cls(*(frozenset(found[what]) for what in WHAT))


@dataclass(frozen=True)
class Found:
    """How one way of sorting finds the right ones."""

    right: Bool
    """(N,) whether each one is right, sorted: the surest first."""
    wanted: int
    """How many right ones there are in all; some may not be in the list."""

    def to_dict(self) -> dict[str, Any]:
        """Average precision, precision and recall in the top K %, recall at a precision."""
        hits = np.cumsum(self.right)
        precision = hits / np.arange(1, len(hits) + 1)
        wanted = max(1, self.wanted)
        good = hits[precision >= PRECISION]
        tops = {k: max(1, round(k / 100 * len(hits))) for k in TOP} if len(hits) else {}
        return {
            "average_precision": float((precision * self.right).sum() / wanted),
            f"recall_at_precision_{PRECISION}": float(good[-1] / wanted) if len(good) else 0.0,
            "top": {
                f"{k}%": {
                    "precision": float(hits[n - 1] / n),
                    "recall": float(hits[n - 1] / wanted),
                }
                for k, n in tops.items()
            },
        }


@dataclass(frozen=True)
class RefinementResult:
    """What a scan found of what was planted and removed."""

    triples: int
    planted: int
    flags: Mapping[str, Found]
    """Way of sorting -> what it finds: the scan's own, and each kind of evidence alone."""
    flag_error: float
    """Expected calibration error of the flags' probabilities."""
    candidates: int
    removed: int
    proposals: Found
    verified: Found | None
    """Proposals that are known to be true or false, alone: their precision is exact."""
    proposal_error: float
    """Expected calibration error, where every candidate that was not removed counts as false."""
    batches: Mapping[str, Mapping[str, Mapping[str, float]]]
    """flags, proposals -> first items -> expected and actual precision."""

    def to_dict(self) -> dict[str, Any]:
        """The result for JSON; `random` is what a shuffled list has on average."""
        flags = {name: found.to_dict() for name, found in self.flags.items()}
        if self.planted:
            flags["random"] = _random(self.planted / max(1, self.triples))
        proposals = {
            "candidates": self.candidates,
            "removed": self.removed,
            "found": int(self.proposals.right.sum()),
            "expected_calibration_error": self.proposal_error,
            "batches": self.batches["proposals"],
            **self.proposals.to_dict(),
        }
        if self.verified is not None:
            proposals["verified"] = {"n": len(self.verified.right), **self.verified.to_dict()}
        return {
            "n": self.triples,
            "planted": self.planted,
            "flags": flags,
            "expected_calibration_error": self.flag_error,
            "batches": self.batches["flags"],
            "proposals": proposals,
        }

    def to_text(self) -> str:
        """The result for people."""
        result = self.to_dict()
        name = f"recall_at_precision_{PRECISION}"
        rows = [
            [who, row["average_precision"], row[name], *_ten(row["top"])]
            for who, row in result["flags"].items()
        ]
        heads = [
            "flags by",
            "AP",
            f"recall at {PRECISION}",
            "precision, top 10 %",
            "recall, top 10 %",
        ]
        more = result["proposals"]
        return (
            f"{result['planted']:,} of {result['n']:,} triples are wrong; calibration error "
            f"{result['expected_calibration_error']:.3f}\n{table(heads, rows)}\n"
            f"proposals: {more['found']:,} of {more['removed']:,} removed triples among "
            f"{more['candidates']:,} candidates; AP {more['average_precision']:.3f}, recall "
            f"{more[name]:.3f} at precision {PRECISION} (what was not removed counts as false)"
        )


def _ten(top: Mapping[str, Mapping[str, float]]) -> list[float]:
    row = top.get("10%", {"precision": 0.0, "recall": 0.0})
    return [row["precision"], row["recall"]]


def _random(share: float) -> dict[str, Any]:
    return {
        "average_precision": share,
        f"recall_at_precision_{PRECISION}": 0.0,
        "top": {f"{k}%": {"precision": share, "recall": k / 100} for k in TOP},
    }


def evaluate_refinement(scores: str | Path, truth: Planted) -> RefinementResult:
    """Compares a scan's scores with what was planted and removed.

    Args:
        scores: JSONL of `accord refine scan --scores`.
        truth: What was done to the graph.

    Returns:
        Precision and recall of flags and proposals.

    Raises:
        DataError: The file is cut or has no flags.
    """
    rows: dict[str, list[dict[str, Any]]] = {"flag": [], "proposal": []}
    triples: dict[str, list[Triple]] = {"flag": [], "proposal": []}
    for number, row in _rows(scores):
        if row.get("kind") not in rows:
            raise DataError(f"kind {row.get('kind')!r}", scores, number, "use flag or proposal")
        rows[row["kind"]].append(row)
        triples[row["kind"]].append(_triple(row, scores, number))
    if not rows["flag"]:
        raise DataError("no flags", scores, hint="write it with `accord refine scan --scores`")
    wrong = np.array([t in truth.planted for t in triples["flag"]])
    back = np.array([t in truth.removed for t in triples["proposal"]], dtype=np.bool_)
    judged = back | np.array([t in truth.false for t in triples["proposal"]], dtype=np.bool_)
    order = _order([row["probability"] for row in rows["proposal"]], rows["proposal"])
    return RefinementResult(
        len(wrong),
        len(truth.planted),
        _flags(rows["flag"], wrong, len(truth.planted)),
        _gap(rows["flag"], wrong),
        len(back),
        len(truth.removed),
        Found(back[order], len(truth.removed)),
        Found(back[order][judged[order]], len(truth.removed)) if truth.false else None,
        _gap(rows["proposal"], back),
        {"flags": _batches(rows["flag"], wrong), "proposals": _batches(rows["proposal"], back)},
    )


def _batches(rows: list[dict[str, Any]], right: Bool) -> dict[str, dict[str, float]]:
    """The first items by probability: how many are right, and how many were said to be."""
    stated: Float64 = np.array([row["probability"] for row in rows], dtype=np.float64)
    order = _order(stated.tolist(), rows) if rows else np.zeros(0, dtype=np.int64)
    return {
        str(n): {
            "expected": float(stated[order[:n]].mean()),
            "precision": float(right[order[:n]].mean()),
        }
        for n in BATCHES
        if n <= len(rows)
    }


def _flags(rows: list[dict[str, Any]], wrong: Bool, wanted: int) -> dict[str, Found]:
    arms = {"all": np.array([row["score"] for row in rows], dtype=np.float64)}
    for name in sorted({arm for row in rows for arm in row.get("alone", {})}):
        values = [row.get("alone", {}).get(name, -np.inf) for row in rows]
        arms[f"{name} alone"] = np.array(values, dtype=np.float64)
    return {
        name: Found(wrong[np.argsort(-scores, kind="stable")], wanted)
        for name, scores in arms.items()
    }


def _order(chances: list[float], rows: list[dict[str, Any]]) -> npt.NDArray[np.int64]:
    scores = np.array([row["score"] for row in rows], dtype=np.float64)
    return np.lexsort((-scores, -np.array(chances, dtype=np.float64))).astype(np.int64)


def _gap(rows: list[dict[str, Any]], right: Bool) -> float:
    """Expected calibration error in bins of equal width."""
    if not rows:
        return 0.0
    stated: Float64 = np.array([row["probability"] for row in rows], dtype=np.float64)
    place = np.minimum((stated * BINS).astype(np.int64), BINS - 1)
    return float(np.abs(np.bincount(place, stated - right)).sum() / len(rows))


def _rows(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with Path(path).open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, json.loads(line)
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot be read ({error})", path, hint="give a whole JSONL file"
        ) from error


def _table(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            yield from enumerate(csv.DictReader(file), start=2)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"cannot be read ({error})", path, hint="give a whole CSV file") from error


def _triple(row: Mapping[str, Any], path: str | Path, number: int) -> Triple:
    head, relation, tail = (row.get(key) for key in ("head", "relation", "tail"))
    if not (head and relation and tail):
        raise DataError("no whole triple", path, number, "each row has head, relation, tail")
    return str(head), str(relation), str(tail)
