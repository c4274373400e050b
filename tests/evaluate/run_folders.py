"""Run folders made in code, for tests of what reads them."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any


def metrics_of(mrr: float) -> dict[str, float]:
    return {
        "mr": 3 / mrr,
        "mrr": mrr,
        "hits@1": 0.8 * mrr,
        "hits@3": 1.1 * mrr,
        "hits@10": min(1.0, 1.3 * mrr),
    }


def link_prediction(mrr: float, noise: random.Random) -> dict[str, Any]:
    def side(value: float) -> dict[str, Any]:
        return {
            "realistic": metrics_of(value),
            "optimistic": metrics_of(value + 0.001),
            "pessimistic": metrics_of(value - 0.001),
        }

    names = [
        "isa",
        "affects",
        "part of <b>",
        "location_of",
        "a relation with a very long name, too",
    ]
    return {
        "split": "test",
        "queries": 1322,
        "both": side(mrr),
        "tail": side(mrr * 1.05),
        "head": side(mrr * 0.95),
        "per_relation": {
            name: {
                "queries": 400 // (i + 1),
                "both": metrics_of(min(1, mrr * noise.uniform(0.7, 1.1))),
                "tail": metrics_of(mrr),
                "head": {**metrics_of(mrr), "mrr": None},
            }
            for i, name in enumerate(names)
        },
        "baseline": {"frequency": {"both": side(0.11)}},
    }


def evaluations(after: bool, noise: random.Random) -> list[dict[str, Any]]:
    mrr = 0.84 + noise.uniform(-0.02, 0.02) if after else 0.061
    tail = 0.41 + noise.uniform(-0.02, 0.02) if after else 0.12
    asked = {"n": 661, "accuracy": tail, "accuracy_any": tail + 0.1, "baseline": 0.03}
    found = [
        ("link-prediction", "test", link_prediction(mrr, noise)),
        ("qa", "test", {"head": asked, "tail": asked, "classification": asked}),
        ("triples", "test", {"n": 400, "accuracy": tail, "baseline": {"majority": 0.5}}),
        (
            "retention",
            "",
            {
                "perplexity_word": 41.2 if after else 40.7,
                "perplexity_token": 21.0,
                "kl_to_base": 0.013 if after else 0.0,
                "mean_cosine": 0.21 if after else 0.83,
                "uniformity": float("nan"),
            },
        ),
    ]
    model = "after" if after else "before"
    return [
        {"command": f"accord eval {k} runs/x", "kind": k, "model": model, "split": s, "result": r}
        for k, s, r in found
    ]


def metric_lines(steps: int, noise: random.Random) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for step in range(0, steps, 5):
        fall = math.exp(-step / 150)
        lines.append(
            {
                "step": step,
                "seconds": step * 0.9,
                "loss": 4 * fall + noise.uniform(0, 0.4),
                "contrastive/loss": 3.5 * fall + noise.uniform(0, 0.3),
                "contrastive/temperature": 0.05 - 0.02 * (1 - fall),
                "completion/loss": (nll := 2 * fall + 0.6 + noise.uniform(0, 0.2)),
                "completion/nll": nll,
                "completion/share": 0.4,
                "lr": 1e-4,
                "tokens": step * 900,
            }
        )
        if step % 100 == 0:
            lines.append({"step": step, "seconds": step * 0.9, "valid": 0.8 * (1 - fall) + 0.06})
    return lines


def make_run(folder: Path, seed: int = 0, lr: float = 1e-4, finished: bool = True) -> Path:
    """A run folder with everything that the report can show."""
    noise = random.Random(seed)
    (folder / "eval").mkdir(parents=True)
    config = f'seed = {seed}\n\n[model]\nname = "smollm2-135m-q4"\n\n[train]\nlr = {lr}\n'
    (folder / "config.toml").write_text(config)
    machine = {"cpu": "Some CPU", "cores": 2, "memory_gb": 23.5, "gpu": []}
    environment = {"python": "3.11.7", "packages": {"torch": "2.13.0"}, "machine": machine}
    (folder / "env.json").write_text(json.dumps(environment))
    meta = {"licence": "public domain", "attribution": "Kok & Domingos <2007>"}
    graph = {"spec": "umls", "name": "UMLS", "hash": "ab" * 32, "entities": 135, "relations": 46}
    (folder / "graph.json").write_text(json.dumps({**graph, "meta": meta}))
    lines = [json.dumps(line) for line in metric_lines(600, noise)]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    for number, one in enumerate(evaluations(False, noise) + evaluations(True, noise)):
        (folder / "eval" / f"{number}.json").write_text(json.dumps(one))
    result = {
        "steps": 600,
        "seconds": 540.0 + seed,
        "best_step": 500,
        "valid": 0.83,
        "peak_memory_gb": 3.21,
    }
    if finished:
        (folder / "result.json").write_text(json.dumps({**result, "tokens_per_second": 1234.5}))
    return folder
