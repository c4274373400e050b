"""Ranking given scores: ours against PyKEEN's evaluator, one thread, both in one run.

    python benchmarks/ranking.py [--triples 1000]

PyKEEN must be installed (`pip install accord-kg[pykeen]`).
Sizes are those of FB15k-237: 14,541 candidates a query, 310,116 known triples. Both arms get the
same scores and the same known triples and give filtered metrics of both sides. Two comparisons:
the whole evaluator (looking up known answers, filtering, ranking, metrics), and ranking alone
(the filters are looked up beforehand).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from accord.evaluate.known import KnownAnswers, queries_of
from accord.evaluate.protocol import Float32, Int64
from accord.evaluate.ranking import Ranks, all_metrics, rank_scores

ENTITIES, RELATIONS, KNOWN = 14_541, 237, 310_116
BLOCK = 256
BATCHES = (16, 64, 256)
"""Sizes of batch tried for PyKEEN; the fastest counts."""


def problem(triples: int, seed: int = 0) -> tuple[Float32, Int64, Int64]:
    """Scores (2, T, E) with ties, triples (T, 3), known triples; entities are skewed as in life."""
    rng = np.random.default_rng(seed)
    entities = (ENTITIES * rng.random((2, KNOWN)) ** 3).astype(np.int64)
    relations = (RELATIONS * rng.random(KNOWN) ** 2).astype(np.int64)
    known = np.stack([entities[0], relations, entities[1]], axis=1)
    scores = rng.integers(-1000, 1000, size=(2, triples, ENTITIES)).astype(np.float32) / 1000
    return scores, known[rng.permutation(KNOWN)[:triples]], known


def ours(scores: Float32, triples: Int64, known: Int64) -> dict[str, float]:
    """The whole of it: index of known answers, filtering, ranks, metrics."""
    table = KnownAnswers.of(known, RELATIONS)
    queries, answers = queries_of(triples, RELATIONS)
    flat = scores.reshape(-1, ENTITIES)
    parts = []
    for start in range(0, len(queries), BLOCK):
        block = slice(start, start + BLOCK)
        parts.append(rank_scores(flat[block], answers[block], table.pairs(queries[block])))
    return all_metrics(Ranks.concatenate(parts))["realistic"]


def theirs(scores: Float32, triples: Int64, known: Int64, batch: int) -> dict[str, float]:
    """PyKEEN's own batch loop with its filters, and the same metrics as ours."""
    from tests.evaluate.pykeen_reference import NAMES, evaluate

    result = evaluate(scores, triples, known, batch)
    return {
        mine: float(result.get_metric(f"both.realistic.{name}")) for mine, name in NAMES.items()
    }


def ranking_only(scores: Float32, triples: Int64, known: Int64) -> tuple[float, float]:
    """Seconds of ours and of PyKEEN's filter-and-rank for the tail side, filters given."""
    import torch
    from pykeen.evaluation.evaluator import filter_scores_
    from pykeen.evaluation.ranks import Ranks as TheirRanks

    queries, answers = queries_of(triples, RELATIONS)
    queries, answers = queries[: len(triples)], answers[: len(triples)]
    pairs = KnownAnswers.of(known, RELATIONS).pairs(queries)
    given = torch.from_numpy(scores[0].copy())
    index, rows, truth = torch.from_numpy(np.stack(pairs, 1)), torch.arange(len(triples)), answers

    def reference() -> None:
        true = given[rows, torch.from_numpy(truth)]
        filter_scores_(scores=given, filter_batch=index)
        given[rows, torch.from_numpy(truth)] = true
        TheirRanks.from_scores(true_score=true.unsqueeze(1), all_scores=given)

    return timed(lambda: rank_scores(scores[0], answers, pairs)), timed(reference)


def _their_seconds(given: tuple[Float32, Int64, Int64], batch: int) -> float:
    return timed(lambda: theirs(*given, batch))


def timed(run: Callable[[], object], repeats: int = 2) -> float:
    """CPU seconds of the best of some runs, so that other load on the machine matters less."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--triples", type=int, default=1_000)
    triples = parser.parse_args().triples
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for tests.evaluate
    try:
        import pykeen  # noqa: F401
        import torch
    except ImportError:
        print(json.dumps({"skipped": "PyKEEN is not installed: pip install accord-kg[pykeen]"}))
        return
    torch.set_num_threads(1)
    given = problem(triples)
    mine, reference = ours(*given), theirs(*given, BLOCK)
    for name, value in mine.items():
        if abs(value - reference[name]) > 1e-6 * max(1.0, abs(value)):
            sys.exit(f"{name} differs: ours {value}, PyKEEN {reference[name]}")
    whole = timed(lambda: ours(*given)), min(_their_seconds(given, batch) for batch in BATCHES)
    alone = ranking_only(*given)
    report = {
        "queries": 2 * triples,
        "candidates": ENTITIES,
        "ours_seconds": whole[0],
        "pykeen_seconds": whole[1],
        "ratio": whole[1] / whole[0],
        "ranking_only_ratio": alone[1] / alone[0],
        "ours_queries_per_second": 2 * triples / whole[0],
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
