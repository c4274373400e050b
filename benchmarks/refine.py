"""Planted errors and gaps found by a scan, beside its baselines; three seeds a cell.

    python benchmarks/refine.py [--graphs umls geography codex-s] [--errors 0.05 0.1 0.15]
                                [--kinds random same-type near] [--seeds 0 1 2]
                                [--ways folds in-sample rules] [--model NAME] [--minutes N]

Each cell plants errors in train and takes a tenth of it out, scans, and measures what came back.
Cells that are in benchmarks/results/refine.json are not run again; --minutes stops before the next
cell. One scan gives four rows: all evidence, rules alone, structure embeddings alone (a structure
score, as PyKEEN's models give), texts alone (with --model: heads on its frozen states). Ways:
folds, none of it has seen the triple it scores; in-sample, embeddings and heads are trained on
what they score, the control that shows why not; rules, no embeddings at all. Where fewer than all
entities have a name, the graph is cut to the triples whose two ends have one, as in CoDEx-S. Its
verified negatives of valid and test make the precision of proposals exact among them.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from accord.api import load_graph
from accord.evaluate.refinement import Planted, evaluate_refinement
from accord.evaluate.tables import table
from accord.graph.builder import GraphBuilder
from accord.graph.datasets import LABELLED, load_labelled
from accord.graph.graph import SPLITS, KnowledgeGraph
from accord.graph.noise import Noise, plant, write_truth
from accord.model.load import resolve
from accord.progress import say
from accord.refine.folds import FoldConfig, steps_for, train_structure
from accord.refine.scan import ScanConfig, base_states, scan_graph
from accord.refine.steps import Float64
from accord.train.environment import environment

RESULTS = Path(__file__).resolve().parent / "results" / "refine.json"
GAPS = 0.1
GOAL = "recall of random errors 0.8 at precision 0.9"
RECALL = "recall_at_precision_0.9"


class Subject:
    """A graph with what its cells share: vectors to plant by, states of texts.

    Args:
        name: Of the data set.
        model: Base model; empty: no texts.
    """

    def __init__(self, name: str, model: str) -> None:
        self.graph, self.model = labelled(load_graph(name)), model
        self._states: Float64 | None = None
        self._vectors: Any = None

    def states(self) -> Float64 | None:
        """What the model's lower layers say of each entity; planting does not change texts."""
        if self.model and self._states is None:
            self._states = base_states(self.model, self.graph)
        return self._states

    def vectors(self) -> Any:
        """Embeddings of the true graph, by which near errors are drawn."""
        if self._vectors is None:
            config = FoldConfig()
            steps = steps_for(len(self.graph.triples_of("train")), config)
            self._vectors = train_structure(self.graph, config, 0, steps).entities.vectors
        return self._vectors


def labelled(graph: KnowledgeGraph) -> KnowledgeGraph:
    """The triples whose two ends have a name; the graph itself where all have one."""
    named = np.array([bool(name) for name in graph.entity_names])
    if named.all() or not named.any():
        return graph
    builder = GraphBuilder(graph.name)
    ids, relations = list(graph.entity_ids), list(graph.relation_ids)
    for split in SPLITS:
        for h, r, t in graph.triples_of(split).tolist():
            if named[h] and named[t]:
                builder.triple(ids[h], relations[r], ids[t], split)
    for entity in np.flatnonzero(named).tolist():
        if ids[entity] in builder.entities.index:
            name, text = graph.entity_names[entity], graph.entity_descriptions[entity]
            builder.entity(ids[entity], name, text)
    for relation, key in enumerate(relations):
        if key in builder.relations.index:
            builder.relation(key, graph.relation_phrases[relation], graph.inverse_phrases[relation])
    return builder.build()


def cell(subject: Subject, noise: Noise, way: str) -> dict[str, Any]:
    """One measurement."""
    graph = subject.graph
    planted = plant(graph, noise, subject.vectors() if noise.kind == "near" else None)
    folds = replace(FoldConfig(), folds=1) if way == "in-sample" else FoldConfig()
    config = ScanConfig(structure=way != "rules", folds=folds, seed=noise.seed)
    states = None if way == "rules" else subject.states()
    found = scan_graph(planted.graph, None, config, None, states)
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
            whole = load_graph(graph.name)
            triples, labels = load_labelled(graph.name, split, whole)
            for h, r, t in np.asarray(triples)[~np.asarray(labels, dtype=bool)].tolist():
                ids = whole.entity_ids[h], whole.relation_ids[r], whole.entity_ids[t]
                writer.writerow(("false", *ids, ""))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--graphs", nargs="+", default=["umls", "geography", "codex-s"])
    parser.add_argument("--errors", nargs="+", type=float, default=[0.05, 0.1, 0.15])
    parser.add_argument("--kinds", nargs="+", default=["random", "same-type", "near"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", default=["folds"])
    parser.add_argument("--model", default="")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    if given.model:
        resolve(given.model)  # a name that is misspelt shows before anything is planted
    return given


def main() -> None:
    given, began = arguments(), time.monotonic()
    done = json.loads(given.out.read_text("utf-8")) if given.out.is_file() else {"cells": {}}
    for name in given.graphs:
        subject = Subject(name, given.model)
        for seed, errors, kind, way in itertools.product(
            given.seeds, given.errors, given.kinds, given.ways
        ):
            key = " ".join((name, kind, str(errors), way, given.model or "no-texts", str(seed)))
            if key in done["cells"]:
                continue
            if time.monotonic() - began > 60 * given.minutes:
                break
            say(f"measuring {key}")
            found = cell(subject, Noise(errors, kind, GAPS, seed), way)
            found |= {"hash": subject.graph.hash, "environment": environment()}
            done["cells"][key] = found
            write(given.out, {"goal": GOAL, "gaps": GAPS, **done})
    print("\n\n".join(tables(done["cells"])))


def write(path: Path, found: dict[str, Any]) -> None:
    """Whole or not at all, so that a run that is stopped goes on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    work = path.with_name(f".{path.name}.part")
    work.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    work.replace(path)


def tables(cells: dict[str, Any]) -> Iterator[str]:
    """Flags and proposals, mean and deviation over seeds."""
    flags: dict[tuple[str, ...], list[list[float]]] = defaultdict(list)
    more: dict[tuple[str, ...], list[list[float]]] = defaultdict(list)
    for key, found in cells.items():
        *what, _ = key.split(" ")
        for arm, row in found["flags"].items():
            error = found["expected_calibration_error"] if arm == "all" else float("nan")
            flags[*what, arm].append([row["average_precision"], row[RECALL], error])
        row = found["proposals"]
        verified = row.get("verified", {}).get(RECALL, float("nan"))
        error = row["expected_calibration_error"]
        more[tuple(what)].append([row["average_precision"], row[RECALL], verified, error])
    heads = ["graph", "errors", "share", "way", "texts"]
    names = ["AP", "recall at 0.9"]
    yield table([*heads, "flags by", "seeds", *names, "calibration error"], _rows(flags))
    names += ["among verified", "calibration error"]
    yield table([*heads, "seeds", *names], _rows(more))


def _rows(found: dict[tuple[str, ...], list[list[float]]]) -> list[list[Any]]:
    return [
        [*what, len(seeds), *(_spread(column) for column in zip(*seeds, strict=True))]
        for what, seeds in found.items()
    ]


def _spread(values: tuple[float, ...]) -> str:
    if np.isnan(values).any():
        return ""
    deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{deviation}"


if __name__ == "__main__":
    main()
