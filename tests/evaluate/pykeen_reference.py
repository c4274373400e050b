"""PyKEEN's evaluator on given scores; run as a script it writes `pykeen_reference.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from accord.evaluate.protocol import Float32, Int64

NAMES = {
    "mr": "arithmetic_mean_rank",
    "mrr": "inverse_harmonic_mean_rank",
    "hits@1": "hits_at_1",
    "hits@3": "hits_at_3",
    "hits@5": "hits_at_5",
    "hits@10": "hits_at_10",
}


class GivenScores:
    """Stands where PyKEEN expects a model and hands out scores in the order of the triples."""

    def __init__(self, scores: Float32) -> None:
        import torch

        self.scores = {"tail": torch.from_numpy(scores[0]), "head": torch.from_numpy(scores[1])}
        self.next = {"tail": 0, "head": 0}

    def predict(self, hrt_batch: Any, target: str, **_: Any) -> Any:
        start = self.next[target]
        self.next[target] = start + len(hrt_batch)
        return self.scores[target][start : start + len(hrt_batch)].clone()


def evaluate(scores: Float32, triples: Int64, known: Int64, batch: int = 32) -> Any:
    """PyKEEN's own loop over batches, filters and both sides."""
    import torch
    from pykeen.evaluation import RankBasedEvaluator
    from pykeen.evaluation.evaluator import _evaluate_batch

    evaluator = RankBasedEvaluator(
        filtered=True,
        metrics=["mr", "mrr", "hits@k", "hits@k", "hits@k", "hits@k"],
        metrics_kwargs=[None, None, *({"k": k} for k in (1, 3, 5, 10))],
        add_defaults=False,
    )
    model = GivenScores(scores)
    filters, rows = torch.from_numpy(known), torch.from_numpy(triples)
    with torch.inference_mode():
        for start in range(0, len(rows), batch):
            part = rows[start : start + batch]
            relation_filter = None
            for target in ("head", "tail"):
                relation_filter = _evaluate_batch(
                    batch=part,
                    model=model,
                    target=target,
                    evaluator=evaluator,
                    slice_size=None,
                    all_pos_triples=filters,
                    relation_filter=relation_filter,
                    restrict_entities_to=None,
                    mode=None,
                )
    return evaluator.finalize()


def pykeen_metrics(
    scores: Float32, triples: Int64, known: Int64
) -> dict[str, dict[str, dict[str, float]]]:
    """PyKEEN's figures under our names."""
    result = evaluate(scores, triples, known)
    return {
        side: {
            kind: {
                ours: float(result.get_metric(f"{side}.{kind}.{theirs}"))
                for ours, theirs in NAMES.items()
            }
            for kind in ("realistic", "optimistic", "pessimistic")
        }
        for side in ("both", "head", "tail")
    }


if __name__ == "__main__":
    from pykeen.version import get_version

    from tests.evaluate.test_ranking import reference_problem

    figures = pykeen_metrics(*reference_problem()[:3])
    record = {"made_by": f"PyKEEN {get_version()}, NumPy {np.__version__}", "metrics": figures}
    Path(__file__).with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
