"""Planted errors and gaps found by a scan, beside its baselines; three seeds a cell.

    python benchmarks/refine.py [--graphs umls geography codex-s] [--errors 0.05 0.1 0.15]
                                [--kinds random same-type] [--seeds 0 1 2] [--in-sample]

Each cell plants errors in train and takes a tenth of it out, scans without a language model, and
measures what came back. Cells that are in benchmarks/results/refine.json are not run again. With
--in-sample the structure vectors are trained on what they score: the control that shows why not.
CoDEx's verified negatives of valid and test, where a graph has them, make precision exact.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from accord.api import load_graph
from accord.evaluate.refinement import Planted, evaluate_refinement
from accord.graph.datasets import LABELLED, load_labelled
from accord.graph.graph import KnowledgeGraph
from accord.graph.noise import Noise, plant, write_truth
from accord.progress import say
from accord.refine.folds import FoldConfig
from accord.refine.scan import ScanConfig, scan_graph
from accord.train.environment import environment

RESULTS = Path(__file__).resolve().parent / "results" / "refine.json"
GAPS = 0.1
GOAL = "recall of random errors 0.8 at precision 0.9"


def cell(graph: KnowledgeGraph, noise: Noise, in_sample: bool, structure: bool) -> dict[str, Any]:
    """One measurement."""
    planted = plant(graph, noise)
    folds = replace(FoldConfig(), folds=1) if in_sample else FoldConfig()
    config = ScanConfig(structure=structure, folds=folds, seed=noise.seed)
    found = scan_graph(planted.graph, None, config)
    with tempfile.TemporaryDirectory() as name:
        truth = write_truth(planted, Path(name) / "truth.csv")
        add_verified(graph, truth)
        scores = found.write(Path(name) / "scores.jsonl", planted.graph)
        result = evaluate_refinement(scores, Planted.load(truth)).to_dict()
    return {**result, "scan": found.to_dict()}


def add_verified(graph: KnowledgeGraph, truth: Path) -> None:
    """Triples that people found to be false, where the data set has some."""
    if graph.name not in LABELLED:
        return
    with truth.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for split in ("valid", "test"):
            triples, labels = load_labelled(graph.name, split, graph)
            for h, r, t in np.asarray(triples)[~np.asarray(labels, dtype=bool)].tolist():
                ids = graph.entity_ids[h], graph.relation_ids[r], graph.entity_ids[t]
                writer.writerow(("false", *ids, ""))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--graphs", nargs="+", default=["umls", "geography", "codex-s"])
    parser.add_argument("--errors", nargs="+", type=float, default=[0.05, 0.1, 0.15])
    parser.add_argument("--kinds", nargs="+", default=["random", "same-type"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--in-sample", action="store_true")
    parser.add_argument("--rules-only", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    done = json.loads(given.out.read_text("utf-8")) if given.out.is_file() else {"cells": {}}
    control = "in-sample" if given.in_sample else "rules" if given.rules_only else "folds"
    for name in given.graphs:
        graph = load_graph(name)
        for errors, kind, seed in itertools.product(given.errors, given.kinds, given.seeds):
            key = f"{name} {kind} {errors} {control} {seed}"
            if key not in done["cells"]:
                say(f"measuring {key}")
                noise = Noise(errors, kind, GAPS, seed)
                found = cell(graph, noise, given.in_sample, not given.rules_only)
                done["cells"][key] = {"hash": graph.hash, **found, "environment": environment()}
                write(given.out, {"goal": GOAL, "gaps": GAPS, **done})
            show(key, done["cells"][key])


def write(path: Path, found: dict[str, Any]) -> None:
    """Whole or not at all, so that a run that is stopped goes on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    work = path.with_name(f".{path.name}.part")
    work.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    work.replace(path)


def show(key: str, found: dict[str, Any]) -> None:
    """One line a way of sorting, and one for proposals."""
    for arm, row in found["flags"].items():
        ap, recall = row["average_precision"], row["recall_at_precision_0.9"]
        print(f"{key:40} {arm:16} AP {ap:.3f}  recall at 0.9 {recall:.3f}")
    more = found["proposals"]
    ece = found["expected_calibration_error"], more["expected_calibration_error"]
    print(
        f"{key:40} {'proposals':16} AP {more['average_precision']:.3f}  recall at 0.9 "
        f"{more['recall_at_precision_0.9']:.3f}  calibration {ece[0]:.3f}, {ece[1]:.3f}"
    )


if __name__ == "__main__":
    main()
