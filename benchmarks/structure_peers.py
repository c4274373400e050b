"""PyKEEN's side of `benchmarks/structure.py`; runs in an interpreter that has it, without Accord.

    python benchmarks/structure_peers.py FOLDER TASK.json

FOLDER holds `train.npy` and `valid.npy`, (N, 3) strings. TASK is one setting to train
({"model", "dimension", "epochs", "batch", "rate", "negatives", "seed"}) or, with "minutes", a
random search by valid MRR for so long. Writes PyKEEN's id maps and `vectors.npz` into FOLDER, as
docs/structure.md has it, and prints one JSON object: CPU and wall seconds of training, the setting.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pykeen.evaluation import RankBasedEvaluator
from pykeen.losses import CrossEntropyLoss, NSSALoss
from pykeen.models import ComplEx, DistMult, RotatE, TransE
from pykeen.regularizers import LpRegularizer
from pykeen.training import LCWATrainingLoop, SLCWATrainingLoop
from pykeen.triples import TriplesFactory

MODELS = {"transe": TransE, "distmult": DistMult, "complex": ComplEx, "rotate": RotatE}
MARGIN, CHECKS = 9.0, 4
SPREAD = 0.1
"""Standard deviation of ComplEx's first vectors, as on our side."""


def build(task: dict[str, Any], train: Any) -> tuple[Any, Any]:
    """A model and its training loop: all entities, or drawn negatives with weights."""
    drawn = int(task["negatives"])
    loss = NSSALoss(margin=MARGIN, adversarial_temperature=1.0) if drawn else CrossEntropyLoss()
    more: dict[str, Any] = {"scoring_fct_norm": 2} if task["model"] == "transe" else {}
    if task["model"] == "complex":  # its own start has ten times the spread and learns little here
        start = partial(torch.nn.init.normal_, std=SPREAD)
        more |= {"entity_initializer": start, "relation_initializer": start}
    weight = float(task.get("regularization", 0.0))
    penalty = LpRegularizer(weight=weight, p=3.0, normalize=True) if weight else None
    model: Any = MODELS[task["model"]](
        triples_factory=train,
        embedding_dim=task["dimension"],
        loss=loss,
        regularizer=penalty,
        random_seed=task["seed"],
        **more,
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=task["rate"])
    common = {"model": model, "triples_factory": train, "optimizer": optimizer}
    if not drawn:
        return model, LCWATrainingLoop(**common)
    kwargs = {"num_negs_per_pos": drawn}
    return model, SLCWATrainingLoop(**common, negative_sampler_kwargs=kwargs)


def fit(
    loop: Any, task: dict[str, Any], train: Any, epochs: int, further: bool = False
) -> tuple[float, float]:
    """CPU and wall seconds until so many epochs are done; `further` goes on from those before."""
    cpu, wall = time.process_time(), time.monotonic()
    loop.train(
        triples_factory=train,
        num_epochs=epochs,
        batch_size=task["batch"],
        continue_training=further,
        use_tqdm=False,
        use_tqdm_batch=False,
    )
    return time.process_time() - cpu, time.monotonic() - wall


def valid_mrr(model: Any, train: Any, valid: Any) -> float:
    evaluator = RankBasedEvaluator(filtered=True)
    found = evaluator.evaluate(
        model,
        valid.mapped_triples,
        additional_filter_triples=[train.mapped_triples],
        use_tqdm=False,
        batch_size=256,
    )
    return float(found.get_metric("both.realistic.inverse_harmonic_mean_rank"))


def write(folder: Path, model: Any, train: Any) -> None:
    train.to_path_binary(folder)
    np.savez(
        folder / "vectors.npz",
        entities=model.entity_representations[0]().detach().cpu().numpy(),
        relations=model.relation_representations[0]().detach().cpu().numpy(),
    )


def drawn_task(rng: np.random.Generator) -> dict[str, Any]:
    """A random setting of ComplEx or RotatE, as PyKEEN's users search."""
    model = str(rng.choice(["complex", "complex", "rotate"]))
    return {
        "model": model,
        "dimension": int(rng.choice([64, 128, 256, 512])),
        "epochs": int(rng.choice([50, 100, 200, 400])),
        "batch": int(rng.choice([128, 256, 512])),
        "rate": float(10 ** rng.uniform(-3.3, -1.3)),
        "negatives": 0 if model == "complex" else int(rng.choice([0, 32, 128])),
        "regularization": float(rng.choice([0.0, 10 ** rng.uniform(-4, -1)])),
        "seed": int(rng.integers(1000)),
    }


def search(folder: Path, task: dict[str, Any], train: Any, valid: Any) -> dict[str, Any]:
    """The best of random settings by valid MRR, looked at a few times while each trains."""
    rng, start = np.random.default_rng(task["seed"]), time.monotonic()
    best: dict[str, Any] = {"valid": -1.0}
    trials = 0
    while time.monotonic() - start < 60 * task["minutes"]:
        drawn = drawn_task(rng)
        model, loop = build(drawn, train)
        part = max(1, drawn["epochs"] // CHECKS)
        for check in range(CHECKS):
            fit(loop, drawn, train, part * (check + 1), further=check > 0)
            figure = valid_mrr(model, train, valid)
            if figure > best["valid"]:
                best = {"valid": figure, "setting": drawn, "epochs": part * (check + 1)}
                write(folder, model, train)
            if time.monotonic() - start > 60 * task["minutes"]:
                break
        trials += 1
    return {**best, "trials": trials, "seconds": time.monotonic() - start}


def main() -> None:
    folder, task = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    torch.set_num_threads(int(task.get("threads", 1)))
    train = TriplesFactory.from_labeled_triples(
        np.load(folder / "train.npy"), create_inverse_triples=True
    )
    valid = TriplesFactory.from_labeled_triples(
        np.load(folder / "valid.npy"),
        entity_to_id=train.entity_to_id,
        relation_to_id=train.relation_to_id,
    )
    if "minutes" in task:
        print(json.dumps(search(folder, task, train, valid)))
        return
    model, loop = build(task, train)
    cpu, wall = fit(loop, task, train, task["epochs"])
    write(folder, model, train)
    print(json.dumps({"cpu_seconds": cpu, "seconds": wall}))


if __name__ == "__main__":
    main()
